"""Errors for wrong arguments and settings of a guard: they are raised early, and name the fix."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import MagicMock

import httpx2
import pytest
from starlette.applications import Starlette
from support.asgi_calls import http_scope
from support.guard_bench import Bench, guard_of, settings_of
from support.scripted_kratos import ScriptedKratos, signed_in

from ory_guard import Authenticated, OryGuard
from ory_guard.events import Event
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import require
from ory_guard.forward_auth import ForwardAuth
from ory_guard.guard.requirements import requirement_of
from ory_guard.starlette import SessionRequiredMiddleware, session_required
from ory_guard.testing import FakeKratos


class Client:
    """An object with a secret that does not fit any argument of a guard."""

    def __repr__(self) -> str:
        return "redis://:secret@redis"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("transport", Client(), "transport must be an HTTP transport, such as httpx2.ASGITransport(app=fake.app)"),
        ("store", Client(), "store must be a session store, such as RedisSessionStore(...)"),
        ("tokens", Client(), "tokens must be a verifier of tokens, such as TokenVerifier(...)"),
        ("clock", Client(), "clock must be an object with the methods time() and monotonic()"),
        ("listeners", print, "listeners must be a list of functions, such as listeners=[function]"),
    ],
)
def test_wrong_argument_is_rejected_without_its_value(name: str, value: Any, message: str) -> None:
    kind = "builtins.builtin_function_or_method" if value is print else f"{__name__}.Client"

    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'{message}; {kind} is not')}$"):
        OryGuard(settings_of(), **{name: value})


def test_store_has_all_methods_of_a_session_store() -> None:
    store: Any = MagicMock(spec=["get", "put", "delete", "revoke", "revoked_at", "subscribe", "aclose"])

    with pytest.raises(ConfigurationError, match=r"^store must be a session store"):
        OryGuard(settings_of(), store=store)


async def async_function(_event: Event) -> None:
    """Would never run as a listener."""


class AsyncListener:
    """A listener whose call is async."""

    async def __call__(self, _event: Event) -> None:
        """Would never run."""


@pytest.mark.parametrize(
    "value",
    [async_function, partial(async_function), AsyncListener(), 5, "x"],
    ids=["function", "partial", "object", "number", "text"],
)
def test_listener_is_a_function_that_is_not_async(value: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^listeners must be functions that are not async; [\w.]+ is not$"
    ):
        OryGuard(settings_of(), listeners=[value])
    with pytest.raises(TypeError, match=r"^a listener must be a function that is not async; \w+ is not$"):
        Bench().guard.listeners.add(value)


FAKE = FakeKratos()
SIGNED_IN: Any = FAKE.sign_in(FAKE.add_identity())


@pytest.mark.parametrize(
    "value",
    [SIGNED_IN.session, SIGNED_IN, Authenticated(SIGNED_IN.session, "cookie", "override", 0.0), {"id": "s1"}, "s1"],
    ids=lambda value: type(value).__name__,
)
def test_override_rejects_a_session_of_the_fake(value: Any) -> None:
    """Later, in a request, it would fail on an attribute that this class does not have."""
    message = (
        r"^override\(\) accepts an ory_guard.Session, an outcome or None, not [\w.]+; use the session of a fake "
        r"through its cookie or token, with as_user\(client, user=signed_in\)$"
    )

    with pytest.raises(ConfigurationError, match=message):
        Bench().guard.override(value)


@pytest.mark.parametrize(
    ("url", "transport", "warns"),
    [
        ("http://kratos:4434", None, True),
        ("http://kratos:4434", httpx2.MockTransport(lambda _request: httpx2.Response(200)), False),
        ("http://kratos:4433", None, False),
        ("http+unix://%2Frun%2Fkratos.sock", None, False),
    ],
)
def test_port_of_the_admin_api_is_logged(
    url: str, transport: Any, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    OryGuard(settings_of(kratos_public_url=url), transport=transport)

    text = "4434 is the default port of Kratos' admin API; set it to the URL of the public API (default port 4433)"
    logged = [message for message in caplog.messages if message.startswith("settings.admin_port")]
    assert logged == [f"settings.admin_port kratos_public_url={url}: {text}"] * warns


CONDITIONS = "aal, max_age, authentication_methods, verified, organization, when or revalidate"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(require, f"require: unknown argument foo: use {CONDITIONS}", id="require"),
        pytest.param(session_required, f"session_required: unknown argument foo: use {CONDITIONS}", id="decorator"),
        pytest.param(
            lambda **conditions: SessionRequiredMiddleware(Starlette(), **conditions),
            f"SessionRequiredMiddleware: unknown argument foo: use public, resource_metadata, {CONDITIONS}",
            id="middleware",
        ),
        pytest.param(
            lambda **conditions: ForwardAuth(OryGuard(settings_of()), **conditions),
            f"ForwardAuth: unknown argument foo: use routes, secret, identity_headers, for_nginx, {CONDITIONS}",
            id="forward auth",
        ),
    ],
)
def test_unknown_argument_is_named_with_the_allowed_ones(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        function(aal="aal2", foo=1)

    assert str(caught.value) == message


@pytest.mark.anyio
async def test_unknown_argument_of_the_guard_is_named_with_the_allowed_ones() -> None:
    guard: Any = guard_of(ScriptedKratos(signed_in()))

    with pytest.raises(ConfigurationError) as caught:
        await guard.require(http_scope("/"), foo=1)

    assert str(caught.value) == f"OryGuard.require: unknown argument foo: use outcome, {CONDITIONS}"


def test_other_type_errors_are_not_changed() -> None:
    """A value of the application may raise one."""

    class Methods(list[str]):
        def __iter__(self) -> Any:
            raise TypeError("not ready")

    with pytest.raises(TypeError, match="not ready"):
        requirement_of("require", {"authentication_methods": Methods()})


OTHER_DOMAIN = "use hosts of one domain"
LOOPBACK = "use the same host name"


def warnings_for(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("settings.cookies_not_shared")]


@pytest.mark.parametrize(
    ("app_url", "kratos_url", "advice"),
    [
        ("http://localhost:8000", "http://127.0.0.1:4433", LOOPBACK),
        ("http://[::1]:8000", "http://localhost:4433", LOOPBACK),
        ("http://app.localhost", "http://kratos.localhost", LOOPBACK),
        ("http://localhost:8000", "https://x.projects.oryapis.com", OTHER_DOMAIN),
        ("https://app.example.com", "https://auth.example.org", OTHER_DOMAIN),
        ("http://app:8000", "http://kratos:4433", OTHER_DOMAIN),
        ("http://10.0.0.1", "http://11.0.0.1", OTHER_DOMAIN),
        ("http://10.0.0.1", "http://app.0.0.1", OTHER_DOMAIN),
        ("http://localhost:8000", "http://localhost:4433", None),
        ("http://[::1]:8000", "http://[::1]:4433", None),
        ("http://app:8000", "http://app:4433", None),
        ("https://example.com", "https://auth.example.com", None),
        ("https://a.b.example.com", "https://example.com", None),
        ("https://example.com/shop", "https://example.com/.ory", None),
    ],
)
def test_warning_names_both_urls_and_the_proxy(
    app_url: str, kratos_url: str, advice: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    OryGuard(settings_of(app_url=app_url, kratos_browser_url=kratos_url))
    warnings = warnings_for(caplog)

    assert len(warnings) == (advice is not None)
    for warning in warnings:
        assert str(advice) in warning
        assert f"app_url={app_url} kratos_browser_url={kratos_url}" in warning
        assert "ory_guard.proxy.KratosProxy" in warning


@pytest.mark.parametrize(
    ("settings", "transport"),
    [
        ({"credentials": ["bearer"]}, None),
        ({"credentials": ["bearer"], "app_url": None}, None),
        ({}, httpx2.AsyncHTTPTransport()),
    ],
)
def test_tokens_and_custom_transports_cause_no_warning(
    settings: dict[str, object], transport: httpx2.AsyncBaseTransport | None, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"app_url": "http://localhost:8000", "kratos_browser_url": "http://127.0.0.1:4433", **settings}
    OryGuard(settings_of(**values), transport=transport)

    assert warnings_for(caplog) == []
