"""If any part of the guard raises any exception, the endpoint does not run."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from support.raw_kratos import RawKratos

from ory_guard import OryGuard, OrySessionMiddleware

from .bench import Bench, token
from .harness import Monitor, Reply, call

pytestmark = pytest.mark.anyio


class _OtherError(BaseException):
    """An exception that `except Exception` does not catch."""


_ERRORS: Final = (
    *(ValueError("tok-A"), KeyError("tok-A"), RuntimeError("tok-A"), TypeError(), LookupError(), AttributeError()),
    *(OSError(5, "tok-A"), TimeoutError("tok-A"), ConnectionResetError(), MemoryError(), RecursionError()),
    *(AssertionError("tok-A"), OverflowError(), NotImplementedError(), StopAsyncIteration(), BufferError()),
    *(UnicodeEncodeError("ascii", "tok-A", 0, 1, "odd"), json.JSONDecodeError("odd", "tok-A", 0)),
    *(ExceptionGroup("odd", [ValueError("tok-A")]), asyncio.InvalidStateError(), EOFError(), ZeroDivisionError()),
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


async def _call_with_defect(bench: Bench, method: tuple[Any, str], error: BaseException) -> Reply:
    def fail(*_args: object, **_kwargs: object) -> Any:
        raise error

    assert hasattr(*method)
    setattr(*method, fail)

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await bench.guard.require(scope, aal="aal1")  # with a condition, because any session needs no decision
        raise SystemError("the endpoint ran")

    return await call(OrySessionMiddleware(endpoint, guard=bench.guard), token())


@pytest.mark.parametrize("method", _AUTHENTICATION)
async def test_error_during_authentication_is_an_outage(method: str, kratos: RawKratos) -> None:
    """The response is 503; neither it nor the log contains the text of the exception."""
    for error in _ERRORS:
        bench = Bench(kratos)
        async with Monitor():
            reply = await _call_with_defect(bench, _AUTHENTICATION[method](bench.guard), error)
        assert (reply.status, reply.one(b"retry-after")) == (503, "1"), error
        assert b"tok-A" not in reply.body
        await bench.guard.aclose()


@pytest.mark.parametrize("method", _ENFORCEMENT)
async def test_error_during_enforcement_is_raised(method: str, kratos: RawKratos) -> None:
    """The application responds with its 500, and logs the traceback."""
    for error in _ERRORS:
        bench = Bench(kratos)
        with pytest.raises(type(error)):
            await _call_with_defect(bench, _ENFORCEMENT[method](bench.guard), error)
        await bench.guard.aclose()


@pytest.mark.parametrize("method", [*_AUTHENTICATION, *_ENFORCEMENT])
async def test_base_exception_does_not_run_the_endpoint(method: str, kratos: RawKratos) -> None:
    """Such as a cancellation; it ends the request or its check."""
    for error in _BASE_EXCEPTIONS:
        bench = Bench(kratos)
        try:
            reply = await _call_with_defect(bench, (_AUTHENTICATION | _ENFORCEMENT)[method](bench.guard), error)
        except (asyncio.CancelledError, GeneratorExit, _OtherError):
            pass
        else:
            assert reply.status == 503
        await bench.guard.aclose()
