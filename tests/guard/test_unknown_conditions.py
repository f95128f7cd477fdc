"""An unknown argument in place of a condition is reported with the function and the arguments that it accepts."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from support.asgi_calls import http_scope
from support.guard_bench import guard_of, settings_of
from support.scripted_kratos import ScriptedKratos, signed_in

from ory_guard import OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.fastapi import require
from ory_guard.forward_auth import ForwardAuth
from ory_guard.guard.requirements import requirement_of
from ory_guard.starlette import SessionRequiredMiddleware, session_required

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
