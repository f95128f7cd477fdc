"""Wrong arguments of a guard are reported where they are made, with the fix."""

import re
from functools import partial
from typing import Any
from unittest.mock import MagicMock

import httpx2
import pytest
from support.guard_bench import Bench, settings_of

from ory_guard import Authenticated, OryGuard
from ory_guard.events import Event
from ory_guard.exceptions import ConfigurationError
from ory_guard.testing import FakeKratos


class Client:
    """An object that is none of the parts of a guard, with a secret."""

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


fake = FakeKratos()
signed_in: Any = fake.sign_in(fake.add_identity())


@pytest.mark.parametrize(
    "value",
    [signed_in.session, signed_in, Authenticated(signed_in.session, "cookie", "override", 0.0), {"id": "s1"}, "s1"],
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
