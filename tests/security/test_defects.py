"""If any part of the guard raises any exception, the endpoint does not run."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from support.asgi_calls import SentResponse
from support.raw_kratos import RawKratos

from ory_guard import OryGuard, OrySessionMiddleware

from .bench import Bench, call, token
from .monitor import Monitor

pytestmark = pytest.mark.anyio


class _OtherError(BaseException):
    """An exception that `except Exception` does not catch."""


_ERRORS: Final = (
    *(ValueError("tok-A"), KeyError("tok-A"), RuntimeError("tok-A"), OSError(5, "tok-A"), TimeoutError("tok-A")),
    *(TypeError(), MemoryError(), RecursionError(), StopAsyncIteration(), asyncio.InvalidStateError()),
    *(UnicodeEncodeError("ascii", "tok-A", 0, 1, "odd"), json.JSONDecodeError("odd", "tok-A", 0)),
    ExceptionGroup("odd", [ValueError("tok-A")]),
)
_BASE_EXCEPTIONS: Final = (asyncio.CancelledError(), GeneratorExit(), _OtherError())

_AUTHENTICATION: Final[dict[str, Callable[[OryGuard], tuple[Any, str]]]] = {
    "extracting the credential": lambda guard: (guard.authentication.extractor, "parse"),
    "validating the credential": lambda guard: (guard.authentication.extractor, "is_valid"),
    "deriving the key": lambda guard: (guard.authentication, "cache_key"),
    "reading the cache": lambda guard: (guard.authentication.cache, "get"),
    "the session check": lambda guard: (guard.authentication.checker, "check"),
    "the circuit breaker": lambda guard: (guard.authentication.checker.calls.policy, "refusal"),
    "opening the connection pool": lambda guard: (guard.authentication.checker._whoami, "pool"),
    "making the request": lambda guard: (guard.authentication.checker._whoami, "request_bytes"),
    "parsing the response": lambda guard: (guard.authentication.checker.calls._parser, "parse"),
    "writing the cache": lambda guard: (guard.authentication.cache, "put"),
}
_ENFORCEMENT: Final[dict[str, Callable[[OryGuard], tuple[Any, str]]]] = {
    "the CSRF check": lambda guard: (guard.enforcement._csrf, "allows"),
    "the decision": lambda guard: (guard.enforcement, "decision_for"),
}


async def _call_with_defect(kratos: RawKratos, part: str, error: BaseException) -> SentResponse:
    def fail(*_args: object, **_kwargs: object) -> Any:
        raise error

    bench = Bench(kratos)
    owner, name = (_AUTHENTICATION | _ENFORCEMENT)[part](bench.guard)
    assert hasattr(owner, name)
    setattr(owner, name, fail)

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await bench.guard.require(scope, aal="aal1")  # with a condition, because any session needs no decision
        raise SystemError("the endpoint ran")

    try:
        return await call(OrySessionMiddleware(endpoint, guard=bench.guard), token())
    finally:
        await bench.guard.aclose()


@pytest.mark.parametrize("part", _AUTHENTICATION)
async def test_error_during_authentication_is_an_outage(part: str, kratos: RawKratos) -> None:
    """The response is 503; neither it nor the log contains the text of the exception."""
    async with Monitor():
        for error in _ERRORS:
            response = await _call_with_defect(kratos, part, error)
            assert (response.status, response.header(b"retry-after")) == (503, b"1"), error
            assert b"tok-A" not in response.body


@pytest.mark.parametrize("part", _ENFORCEMENT)
async def test_error_during_enforcement_is_raised(part: str, kratos: RawKratos) -> None:
    """The application responds with its 500, and logs the traceback."""
    for error in _ERRORS:
        with pytest.raises(type(error)):
            await _call_with_defect(kratos, part, error)


@pytest.mark.parametrize("part", [*_AUTHENTICATION, *_ENFORCEMENT])
async def test_base_exception_does_not_run_the_endpoint(part: str, kratos: RawKratos) -> None:
    """Such as a cancellation; it ends the request or its check."""
    for error in _BASE_EXCEPTIONS:
        try:
            response = await _call_with_defect(kratos, part, error)
        except (asyncio.CancelledError, GeneratorExit, _OtherError):
            continue
        assert response.status == 503
