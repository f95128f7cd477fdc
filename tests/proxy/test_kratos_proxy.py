"""The construction of the proxy, several guards, connections, and the middleware around it."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from support.asgi_calls import call
from support.scripted_kratos import session_body

from ory_guard import Anonymous, OryGuard, OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.proxy import KratosProxy
from ory_guard.starlette import assert_guarded, audit_routes

from .upstream import APP, KRATOS, PROXY, SESSION, Reply, Upstream, application, guard_for, json_reply

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"guard": "http://kratos.test"}, "guard must be an OryGuard"),
        ({"guard": OryGuard}, "guard must be an OryGuard"),
        ({"timeout": 0}, "timeout must be above 0"),
        ({"timeout": float("nan")}, "timeout must be above 0"),
        ({"timeout": 601}, "timeout must be above 0"),
        ({"cookies": "csrf"}, "cookies must be a list of names"),
        ({"cookies": ["a b"]}, "'a b' must be a cookie name"),
        ({"cookies": ["*"]}, "'*' must be a cookie name"),
        ({"cookies": ["a*b"]}, "'a*b' must be a cookie name"),
    ],
)
def test_invalid_argument_is_an_error(change: dict[str, Any], text: str) -> None:
    arguments = {"guard": guard_for(Upstream().transport), **change}

    with pytest.raises(ConfigurationError, match=text.replace("*", r"\*")):
        KratosProxy(**arguments)


async def test_asynchronous_resolver_is_an_error() -> None:
    async def resolve(_scope: Any) -> OryGuard | None:
        return None

    with pytest.raises(ConfigurationError, match="plain function"):
        KratosProxy(resolve)  # type: ignore[arg-type] # the test's subject


async def test_each_host_has_the_kratos_of_its_guard() -> None:
    upstreams = {
        host: Upstream(json_reply({"logout_url": f"http://kratos.{host.decode()}/x"}))
        for host in (b"a.test", b"b.test")
    }
    guards = {
        host: guard_for(
            upstream.transport,
            kratos_public_url=f"http://kratos.{host.decode()}",
            app_url=f"http://{host.decode()}",
            kratos_browser_url=f"http://{host.decode()}/.ory",
        )
        for host, upstream in upstreams.items()
    }

    def resolve(scope: Any) -> OryGuard | None:
        return guards.get(dict(scope["headers"]).get(b"host", b""))

    app = Starlette(routes=[Mount("/.ory", KratosProxy(resolve))])
    for host in (b"a.test", b"b.test", b"a.test"):
        response = await call(app, "/.ory/self-service/logout/browser", headers=[(b"host", host)])
        assert response.json == {"logout_url": f"http://{host.decode()}/.ory/x"}
    assert [len(upstream.requests) for upstream in upstreams.values()] == [2, 1]

    assert (await call(app, "/.ory/sessions/whoami", headers=[(b"host", b"c.test")])).status == 421


async def test_resolver_that_returns_something_else_is_an_error() -> None:
    wrong: Callable[[Any], Any] = lambda _scope: "guard"  # noqa: E731 - a resolver may be a lambda

    with pytest.raises(ConfigurationError, match="must return an OryGuard or None"):
        await call(KratosProxy(wrong), "/sessions/whoami")


async def test_other_type_of_scope_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="lifespan"):
        await KratosProxy(guard_for(Upstream().transport))({"type": "lifespan"}, None, None)  # type: ignore[arg-type] # not used


async def test_middleware_does_not_check_the_session_for_the_mount() -> None:
    upstream = Upstream(Reply(404))
    guard = guard_for(upstream.transport)
    outcomes = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        outcomes.append(scope["state"]["auth"])
        await KratosProxy(guard)(scope, receive, send)

    app = OrySessionMiddleware(Starlette(routes=[Mount("/.ory", inner)]), guard=guard)
    await call(app, "/.ory/self-service/login/browser", headers=[(b"cookie", SESSION)])

    assert outcomes == [Anonymous()]
    assert [request.target for request in upstream.requests] == ["/self-service/login/browser"]


@pytest.mark.parametrize(
    ("browser_url", "path", "is_exempt"),
    [
        (PROXY, "/.ory/x", True),
        (PROXY, "/.ory", False),
        (PROXY, "/.orynge/x", False),
        (PROXY, "/.ory/../me", False),
        (f"{APP}/a/b", "/a/b/c", True),
        (APP, "/me", False),
        (KRATOS, "/me", False),
        ("http://app.test.evil/.ory", "/.ory/x", False),
        (f"{APP}//x", "//x/y", False),
        (f"{APP}/a;b", "/a;b/c", False),
    ],
)
async def test_paths_below_kratos_browser_url_are_exempt(browser_url: str, path: str, is_exempt: bool) -> None:
    upstream = Upstream(Reply(503))
    guard = guard_for(upstream.transport, kratos_browser_url=browser_url)

    async def inner(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    await call(OrySessionMiddleware(inner, guard=guard), path, headers=[(b"cookie", SESSION)])

    assert upstream.requests == [] or not is_exempt
    assert bool(upstream.requests) != is_exempt


@pytest.mark.parametrize(
    "scope",
    [
        {"path": "/.ory/self-service/logout/browser"},
        {"path": "/shop/.ory/self-service/logout/browser", "root_path": "/shop"},
    ],
)
async def test_without_a_browser_url_the_mount_is_used(
    scope: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    app_url = f"{APP}{scope.get('root_path', '')}"
    upstream = Upstream(json_reply({"logout_url": f"{KRATOS}/x"}))
    app = application(guard_for(upstream.transport, app_url=app_url, kratos_browser_url=KRATOS))
    response = await call(app, **scope)

    assert response.json == {"logout_url": f"{app_url}/.ory/x"}
    (message,) = (message for message in caplog.messages if message.startswith("proxy.browser_url"))
    assert f"such as {app_url}/.ory" in message


async def test_audit_counts_the_proxy_as_public() -> None:
    app = application(guard_for(Upstream().transport))
    routes = {route.path: route for route in audit_routes(app)}

    assert (routes["/.ory/{path:path}"].guarded, routes["/.ory/{path:path}"].note) == (False, "Kratos' public API")
    assert_guarded(app, public=["/{path:path}"])


async def test_audit_does_not_trust_a_subclass() -> None:
    class Other(KratosProxy):
        """Could respond by itself."""

    app = Starlette(routes=[Mount("/.ory", Other(guard_for(Upstream().transport)))])
    with pytest.raises(AssertionError):
        assert_guarded(app)


async def test_closing_the_guard_closes_the_connections_of_the_proxy() -> None:
    upstream = Upstream()
    guard = guard_for(upstream.transport)
    proxy = KratosProxy(guard)
    for _ in range(2):
        assert (await call(proxy, "/sessions/whoami")).status == 200
        await guard.aclose()


async def test_guards_that_are_gone_leave_nothing_behind() -> None:
    upstream = Upstream()
    proxy = KratosProxy(lambda _scope: guard_for(upstream.transport))
    for _ in range(3):
        await call(proxy, path="/sessions/whoami")

    gc.collect()

    assert len(proxy._forwarders) == 0


async def test_path_without_a_mount_is_supported() -> None:
    async def without_root_path(scope: Any, receive: Any, send: Any) -> None:
        await KratosProxy(guard_for(Upstream().transport))(
            {name: scope[name] for name in scope.keys() - {"root_path"}}, receive, send
        )

    assert (await call(without_root_path, "/sessions/whoami")).status == 200


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        pytest.param([], "192.0.2.2", id="another client"),
        pytest.param([(b"cookie", SESSION)], "192.0.2.1", id="known user with the same address"),
    ],
)
async def test_flood_of_slow_requests_leaves_slots_for_others(headers: list[Any], address: str) -> None:
    """One client without an account must not prevent the logins of all others."""
    end = asyncio.Event()

    async def kratos(scope: Any, receive: Any, send: Any) -> None:
        if scope["query_string"] == b"flow=slow":
            await end.wait()
        body = session_body() if scope["path"] == "/sessions/whoami" else {}
        await Reply(body=json.dumps(body).encode()).send(send)

    app = application(guard_for(httpx2.ASGITransport(app=kratos)), timeout=60)
    await call(app, "/", headers=[(b"cookie", SESSION)])  # the session becomes known
    path, attacker = "/.ory/self-service/login/flows", ("192.0.2.1", 1)
    flood = [asyncio.ensure_future(call(app, path, query_string=b"flow=slow", client=attacker)) for _ in range(200)]
    await asyncio.sleep(0.01)

    async with asyncio.timeout(30):
        response = await call(app, path, headers=headers, client=(address, 2))
    end.set()
    await asyncio.gather(*flood)

    assert response.status == 200
