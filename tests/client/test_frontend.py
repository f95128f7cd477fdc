"""Tests of `FrontendClient` and of `with_response`."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, assert_type

import pytest
from recorded import ScriptedTransport, recorded_body, recorded_response, response
from support.recorded_kratos import recording

from ory_guard.client import (
    FrontendClient,
    FrontendResponses,
    LoginFlow,
    Response,
    SessionsPage,
    SessionWithoutIdentity,
    SuccessfulNativeLogin,
)
from ory_guard.client.operations.all_operations import OPERATIONS
from ory_guard.exceptions import ConfigurationError, KratosProtocolError, KratosUnavailable
from ory_guard.models import Session

pytestmark = pytest.mark.anyio


def client_of(*answers: Any) -> FrontendClient:
    """Return a client that receives these responses."""
    return FrontendClient("https://id.example", transport=ScriptedTransport(*answers))


@pytest.mark.parametrize("base_url", ["id.example", "https://id.example?a=b"])
def test_client_rejects_invalid_base_url(base_url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url must"):
        FrontendClient(base_url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_client_rejects_invalid_timeout(timeout: float) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"timeout must be a positive number of seconds \(got {timeout}\)"
    ):
        FrontendClient("https://id.example", timeout=timeout)


async def test_with_response_returns_the_whole_response() -> None:
    exchange = recording("login.browser.create.ajax")
    client = client_of(recorded_response(exchange))

    answer = await client.with_response.create_browser_login_flow(return_to="https://app.example/")

    assert_type(answer, Response[LoginFlow])
    assert_type(answer.parsed, LoginFlow)
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Origin, Cookie"
    assert list(answer.set_cookies) == [v for k, v in exchange.response["headers"] if k == "set-cookie"]
    assert repr(answer) == "Response(status_code=200)"


async def test_with_response_separates_concurrent_calls() -> None:
    view = client_of(*(response(200, {"count": count}, [*JSON, ("set-cookie", f"n={count}")]) for count in (1, 2)))

    responses = view.with_response
    first, second = await asyncio.gather(
        responses.disable_my_other_sessions(cookie="a=1"), responses.disable_my_other_sessions(cookie="a=2")
    )

    assert (first.parsed.count, first.set_cookies) == (1, ("n=1",))
    assert (second.parsed.count, second.set_cookies) == (2, ("n=2",))


JSON = [("content-type", "application/json")]


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a bound method."""
    return dict(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_keeps_its_signature(name: str) -> None:
    """On client, class and `with_response`, an operation is a coroutine function with its declared parameters."""
    operation = OPERATIONS[name]
    client = client_of()
    documented = {parameter for _, parameter in operation.documented_parameters}

    parameters = parameters_of(getattr(client, name))

    assert set(parameters) == documented | set(operation.undocumented) | (
        {"body"} if operation.sends_body else set()
    )
    assert {parameter.kind for parameter in parameters.values()} <= {inspect.Parameter.KEYWORD_ONLY}
    assert parameters_of(getattr(client.with_response, name)) == parameters
    assert inspect.iscoroutinefunction(getattr(client, name))
    assert inspect.iscoroutinefunction(getattr(client.with_response, name))
    assert getattr(FrontendClient, name).__doc__ == getattr(client.with_response, name).__doc__
    assert getattr(FrontendClient, name).__name__ == name
    assert set(parameters_of(getattr(FrontendClient, name))) == {"self", *parameters}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_operation_sends_every_parameter(name: str) -> None:
    script = ScriptedTransport(response(500))
    client = FrontendClient("https://id.example", transport=script)
    parameters = parameters_of(getattr(client, name))
    arguments: dict[str, Any] = {parameter: f"v-{parameter}" for parameter in parameters}
    if OPERATIONS[name].sends_body:
        arguments["body"] = {"v-body": 1}

    with pytest.raises(KratosUnavailable, match="Kratos failed with status 500"):
        await getattr(client, name)(**arguments)

    (request,) = script.requests
    for parameter in parameters:
        assert f"v-{parameter}" in f"{request.url} {request.headers.raw!r} {request.content!r}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"id": "f1", "flow": "f1"}, r"get_login_flow\(\) got an unexpected keyword argument 'flow'"),
        ({}, r"get_login_flow\(\) missing a required .*argument: 'id'"),
    ],
    ids=["unexpected", "missing"],
)
async def test_operation_rejects_wrong_arguments(arguments: dict[str, str], message: str) -> None:
    """Wrong arguments raise a `TypeError` that names the operation, before a request is sent."""
    client: Any = client_of()

    with pytest.raises(TypeError, match=message):
        await client.get_login_flow(**arguments)
    with pytest.raises(TypeError, match=message):
        await client.with_response.get_login_flow(**arguments)


@pytest.mark.parametrize("tokenized", [None, ""], ids=["missing", "empty"])
async def test_to_session_requires_the_requested_jwt(tokenized: str | None) -> None:
    """Kratos before v1.1 ignores `tokenize_as`: a 200 without a JWT is an error."""
    session = {**recorded_body("whoami.x_session_token"), "tokenized": tokenized}
    client = client_of(response(200, session), response(200, session), response(200, session))

    for view in (client, client.with_response):
        with pytest.raises(KratosProtocolError, match=r"no JWT in `tokenized`; tokenize_as requires Kratos v1\.1"):
            await view.to_session(x_session_token="t", tokenize_as="jwt_basic")
    assert (await client.to_session(x_session_token="t")).tokenized == tokenized


async def test_native_login_may_lack_the_identity() -> None:
    body = recorded_body("login.native.submit.success")
    del body["session"]["identity"]

    result = await client_of(response(200, body)).update_login_flow(flow="f1", body={})

    assert_type(result, SuccessfulNativeLogin)
    assert_type(result.session, Session | SessionWithoutIdentity)
    assert isinstance(result.session, SessionWithoutIdentity)
    assert result.session.identity is None
    assert result.model_dump(mode="json", exclude_unset=True)["session"].keys() == body["session"].keys()


async def test_native_login_has_a_session() -> None:
    client = client_of(recorded_response(recording("login.native.submit.success")))

    result = await client.update_login_flow(flow="f1", body={})

    assert isinstance(result.session, Session)
    assert result.session_token is not None
    assert result.session_token not in repr(result)


def page(count: int, *, total: int | None, token: str | None) -> Any:
    """Return a response with `count` sessions, a total and the token of the next page."""
    session = recorded_body("sessions.list")[0]
    headers = [*JSON, ("x-total-count", str(total))] if total is not None else JSON
    if token:
        headers = [*headers, ("link", f'</sessions?page_token={token}&page_size=2>; rel="next"')]
    return response(200, [session] * count, headers)


@pytest.mark.parametrize(
    ("answers", "counts", "tokens"),
    [
        ([page(2, total=3, token="b"), page(1, total=3, token="c")], [2, 1], [None, "b"]),
        ([page(2, total=None, token="b"), page(0, total=None, token="c")], [2], [None, "b"]),
        ([page(1, total=None, token=None)], [1], [None]),
        ([page(0, total=0, token="b")], [], [None]),
    ],
    ids=["total", "empty_page", "no_next", "nothing"],
)
async def test_iter_my_sessions_ends(answers: list[Any], counts: list[int], tokens: list[str | None]) -> None:
    script = ScriptedTransport(*answers)
    client = FrontendClient("https://id.example", transport=script)

    pages = [page async for page in client.iter_my_sessions(page_size=2, cookie="a=b")]

    assert [len(page.sessions) for page in pages] == counts
    assert [request.url.params.get("page_token") for request in script.requests] == tokens
    assert {request.url.params["page_size"] for request in script.requests} == {"2"}


async def test_list_my_sessions_reads_link_and_total() -> None:
    client = client_of(recorded_response(recording("sessions.list.per_page")))

    sessions = await client.list_my_sessions(per_page=1, page=1, cookie="a=b")

    assert_type(sessions, SessionsPage)
    assert (sessions.next_page_token, sessions.previous_page_token, sessions.total) == (
        "eyJvZmZzZXQiOiIyIiwidiI6Mn0",
        "eyJvZmZzZXQiOiIwIiwidiI6Mn0",
        4,
    )


async def test_list_my_sessions_works_without_headers() -> None:
    client = client_of(response(200, [], [*JSON, ("link", '</x>; rel="next"')]))

    assert await client.list_my_sessions(cookie="a=b") == SessionsPage(sessions=())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            response(200, "<html>", [("content-type", "text/html")]),
            "the response is not JSON; check that base_url is",
        ),
        (response(200, "{"), "the response is not a valid LoginFlow: check body"),
        (response(200, {"id": None, "ui": {"nodes": 1}}), "check id, ui.action, ui.method, ui.nodes"),
        (response(204, "", []), "the response is not JSON"),
    ],
    ids=["html", "broken", "wrong", "empty"],
)
async def test_unreadable_success_is_a_protocol_error(answer: Any, message: str) -> None:
    with pytest.raises(KratosProtocolError) as caught:
        await client_of(answer).get_login_flow(id="f1")

    assert str(caught.value).startswith("get_login_flow: ")
    assert message in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_with_response_has_a_public_type() -> None:
    assert_type(client_of().with_response, FrontendResponses)
