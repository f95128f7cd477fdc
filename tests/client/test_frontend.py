"""Tests of `ory_guard.client.frontend` and of the two views that `ory_guard.client.operations.descriptor` makes."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, assert_type

import pytest
from recorded import Script, answer_of, exchange_of, recorded_response, response

from ory_guard.client import (
    FrontendClient,
    FrontendResponses,
    LoginFlow,
    Response,
    SessionsPage,
    SessionWithoutIdentity,
    SuccessfulNativeLogin,
)
from ory_guard.client.operations.table import OPERATIONS
from ory_guard.exceptions import ConfigurationError, KratosProtocolError
from ory_guard.models import Session

pytestmark = pytest.mark.anyio


def client_of(*answers: Any) -> FrontendClient:
    """Return a client that is answered like this."""
    return FrontendClient("https://id.example", transport=Script(*answers))


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "id.example",
        "ftp://id.example",
        "https://u:p@id.example",
        "https://id.example?a=b",
        "https://id .example",
    ],
)
def test_wrong_base_urls(base_url: str) -> None:
    """A base URL that is none is refused when the client is made."""
    with pytest.raises(ConfigurationError, match=r"^base_url must"):
        FrontendClient(base_url)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_wrong_timeouts(timeout: float) -> None:
    """A timeout that is no time is refused when the client is made."""
    with pytest.raises(ConfigurationError, match="timeout must be a positive number of seconds"):
        FrontendClient("https://id.example", timeout=timeout)


async def test_plain_view_gives_the_model() -> None:
    """An operation of the client returns its model; type checkers see the same."""
    client = client_of(recorded_response(exchange_of("login.native.create")))

    flow = await client.get_login_flow(id="f1")

    assert_type(flow, LoginFlow)
    assert flow.id == answer_of("login.native.create")["id"]


async def test_response_view_gives_the_whole_answer() -> None:
    """The same operation of `with_response` returns the answer around the model."""
    exchange = exchange_of("login.browser.create.ajax")
    client = client_of(recorded_response(exchange))

    answer = await client.with_response.create_browser_login_flow(return_to="https://app.example/")

    assert_type(answer, Response[LoginFlow])
    assert_type(answer.parsed, LoginFlow)
    assert answer.status_code == 200
    assert answer.headers["Vary"] == "Origin, Cookie"
    assert list(answer.set_cookies) == [v for k, v in exchange.response["headers"] if k == "set-cookie"]
    assert repr(answer) == "Response(status_code=200)"


async def test_responses_of_concurrent_calls_are_not_mixed_up() -> None:
    """One view serves calls at the same time, each with its own answer."""
    view = client_of(*(response(200, {"count": count}, [*JSON, ("set-cookie", f"n={count}")]) for count in (1, 2)))

    responses = view.with_response
    first, second = await asyncio.gather(
        responses.disable_my_other_sessions(cookie="a=1"), responses.disable_my_other_sessions(cookie="a=2")
    )

    assert (first.parsed.count, first.set_cookies) == (1, ("n=1",))
    assert (second.parsed.count, second.set_cookies) == (2, ("n=2",))


JSON = [("content-type", "application/json")]


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return a bound method's parameters."""
    return dict(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", OPERATIONS)
def test_methods_take_what_the_table_says(name: str) -> None:
    """Both views have every operation, keyword-only, with the table's parameters, required ones first of all."""
    row = OPERATIONS[name]
    client = client_of()
    documented = {parameter for _, parameter in row.parameters}

    taken = parameters_of(getattr(client, name))

    assert set(taken) == documented | set(row.undocumented) | ({"body"} if row.sends_body else set())
    assert {parameter.kind for parameter in taken.values()} <= {inspect.Parameter.KEYWORD_ONLY}
    assert parameters_of(getattr(client.with_response, name)) == taken
    assert inspect.iscoroutinefunction(getattr(client, name))
    assert inspect.iscoroutinefunction(getattr(client.with_response, name))
    assert getattr(FrontendClient, name).__doc__ == getattr(client.with_response, name).__doc__
    assert getattr(FrontendClient, name).__name__ == name
    assert set(parameters_of(getattr(FrontendClient, name))) == {"self", *taken}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_parameter_reaches_the_wire(name: str) -> None:
    """No method forgets to pass on one of its parameters."""
    row = OPERATIONS[name]
    script = Script(response(500))
    client = FrontendClient("https://id.example", transport=script)
    taken = parameters_of(getattr(client, name))
    given: dict[str, Any] = {parameter: f"v-{parameter}" for parameter in taken}
    if row.sends_body:
        given["body"] = {"v-body": 1}

    with pytest.raises(Exception, match="Kratos failed and answered 500"):
        await getattr(client, name)(**given)

    (sent,) = script.requests
    for parameter in taken:
        assert f"v-{parameter}" in f"{sent.url} {sent.headers.raw!r} {sent.content!r}"


async def test_wrong_arguments_are_pythons_own_error() -> None:
    """A parameter that the operation does not have is a `TypeError` that names the method."""
    client: Any = client_of()

    with pytest.raises(TypeError, match=r"get_login_flow\(\) got an unexpected keyword argument 'flow'"):
        await client.get_login_flow(flow="f1")


async def test_native_login_without_an_identity() -> None:
    """While the second factor is missing, Kratos may leave out whose session it is."""
    body = answer_of("login.native.submit.success")
    del body["session"]["identity"]

    result = await client_of(response(200, body)).update_login_flow(flow="f1", body={})

    assert_type(result, SuccessfulNativeLogin)
    assert_type(result.session, Session | SessionWithoutIdentity)
    assert isinstance(result.session, SessionWithoutIdentity)
    assert result.session.identity is None
    assert result.model_dump(mode="json", exclude_unset=True)["session"].keys() == body["session"].keys()


async def test_login_with_an_identity_is_a_session() -> None:
    """Otherwise the session of a login is the same model as whoami's."""
    client = client_of(recorded_response(exchange_of("login.native.submit.success")))

    result = await client.update_login_flow(flow="f1", body={})

    assert isinstance(result.session, Session)
    assert result.session_token is not None
    assert result.session_token not in repr(result)


def page(count: int, *, total: int | None, token: str | None) -> Any:
    """Return an answer with so many sessions, a total and a next page."""
    session = answer_of("sessions.list")[0]
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
async def test_all_sessions_page_by_page(answers: list[Any], counts: list[int], tokens: list[str | None]) -> None:
    """The iteration ends with the total, at an empty page, or where there is no next one."""
    script = Script(*answers)
    client = FrontendClient("https://id.example", transport=script)

    pages = [found async for found in client.all_my_sessions(page_size=2, cookie="a=b")]

    assert [len(found.sessions) for found in pages] == counts
    assert [request.url.params.get("page_token") for request in script.requests] == tokens
    assert {request.url.params["page_size"] for request in script.requests} == {"2"}


async def test_a_page_of_sessions_knows_its_neighbours() -> None:
    """The tokens are those of the `Link` header, and the total is `X-Total-Count`."""
    client = client_of(recorded_response(exchange_of("sessions.list.per_page")))

    found = await client.list_my_sessions(per_page=1, page=1, cookie="a=b")

    assert_type(found, SessionsPage)
    assert (found.next_page_token, found.previous_page_token, found.total) == (
        "eyJvZmZzZXQiOiIyIiwidiI6Mn0",
        "eyJvZmZzZXQiOiIwIiwidiI6Mn0",
        4,
    )


async def test_a_page_without_headers() -> None:
    """A proxy that drops headers leaves the sessions."""
    found = await client_of(response(200, [], [*JSON, ("link", '</x>; rel="next"')])).list_my_sessions(cookie="a=b")

    assert found == SessionsPage(sessions=())


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (response(200, "<html>", [("content-type", "text/html")]), "get_login_flow: the answer is no JSON"),
        (response(200, "{"), "get_login_flow: the answer can't be read as LoginFlow at body"),
        (response(200, {"id": None, "ui": {"nodes": 1}}), "at id, ui.action, ui.method, ui.nodes"),
        (response(204, "", []), "get_login_flow: the answer is no JSON"),
    ],
    ids=["html", "broken", "wrong", "empty"],
)
async def test_nonsense(answer: Any, text: str) -> None:
    """A success that can't be read is told as such: where, and never what."""
    with pytest.raises(KratosProtocolError) as caught:
        await client_of(answer).get_login_flow(id="f1")

    assert text in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_response_view_has_a_name() -> None:
    """The type of `with_response` can be written in annotations."""
    assert_type(client_of().with_response, FrontendResponses)
