"""Defects of our own: whatever is raised, wherever, the endpoint does not run."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest
from support.raw_kratos import RawKratos

from ory_guard import OryGuard, OrySessionMiddleware

from .bench import Bench, token
from .harness import Reply, Vigil, call

pytestmark = pytest.mark.anyio


class _Odd(BaseException):
    """What no `except Exception` sees."""


_EXCEPTIONS: Final = (
    *(ValueError("tok-A"), KeyError("tok-A"), RuntimeError("tok-A"), TypeError(), LookupError(), AttributeError()),
    *(OSError(5, "tok-A"), TimeoutError("tok-A"), ConnectionResetError(), MemoryError(), RecursionError()),
    *(AssertionError("tok-A"), OverflowError(), NotImplementedError(), StopAsyncIteration(), BufferError()),
    *(UnicodeEncodeError("ascii", "tok-A", 0, 1, "odd"), json.JSONDecodeError("odd", "tok-A", 0)),
    *(ExceptionGroup("odd", [ValueError("tok-A")]), asyncio.InvalidStateError(), EOFError(), ZeroDivisionError()),
)
_BEYOND: Final = (asyncio.CancelledError(), GeneratorExit(), _Odd())

_IN_A_CHECK: Final[dict[str, Callable[[OryGuard], tuple[Any, str]]]] = {
    "finding the credential": lambda guard: (guard.authentication._extractor, "find"),
    "judging the credential": lambda guard: (guard.authentication._extractor, "is_valid"),
    "making the key": lambda guard: (guard.authentication, "cache_key"),
    "looking in the cache": lambda guard: (guard.authentication.cache, "get"),
    "asking": lambda guard: (guard.authentication.checker, "check"),
    "the breaker": lambda guard: (guard.authentication.checker.breaker, "retry_after"),
    "the call": lambda guard: (guard.authentication.checker._whoami, "get"),
    "reading the answer": lambda guard: (guard.authentication.checker._parser, "parse"),
    "keeping the answer": lambda guard: (guard.authentication.cache, "put"),
}
_AT_THE_GATE: Final[dict[str, Callable[[OryGuard], tuple[Any, str]]]] = {
    "the quick decision": lambda guard: (guard.enforcement._csrf, "allows"),
    "the decision": lambda guard: (guard.enforcement, "decide"),
}


async def _defective(bench: Bench, place: tuple[Any, str], error: BaseException) -> Reply:
    def fail(*_args: object, **_named: object) -> Any:
        raise error

    assert hasattr(*place)
    setattr(*place, fail)

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await bench.guard.require(scope)
        raise SystemError("the endpoint ran")

    return await call(OrySessionMiddleware(endpoint, guard=bench.guard), token())


@pytest.mark.parametrize("place", _IN_A_CHECK)
async def test_a_defect_in_a_check_is_an_outage(place: str, kratos: RawKratos, tried: Counter[str]) -> None:
    """503, and no text of the exception in log or answer."""
    for error in _EXCEPTIONS:
        tried["faults"] += 1
        bench = Bench(kratos)
        async with Vigil():
            reply = await _defective(bench, _IN_A_CHECK[place](bench.guard), error)
        assert (reply.status, reply.one(b"retry-after")) == (503, "1"), error
        assert b"tok-A" not in reply.body
        await bench.guard.aclose()


@pytest.mark.parametrize("place", _AT_THE_GATE)
async def test_a_defect_at_the_gate_is_an_error(place: str, kratos: RawKratos, tried: Counter[str]) -> None:
    """Nobody passes; what was raised is the application's 500, with its traceback."""
    for error in _EXCEPTIONS:
        tried["faults"] += 1
        bench = Bench(kratos)
        with pytest.raises(type(error)):
            await _defective(bench, _AT_THE_GATE[place](bench.guard), error)
        await bench.guard.aclose()


@pytest.mark.parametrize("place", [*_IN_A_CHECK, *_AT_THE_GATE])
async def test_what_is_no_exception_lets_nobody_in_either(
    place: str, kratos: RawKratos, tried: Counter[str]
) -> None:
    """Cancellations and their like end the request, or its check."""
    for error in _BEYOND:
        tried["faults"] += 1
        bench = Bench(kratos)
        try:
            reply = await _defective(bench, (_IN_A_CHECK | _AT_THE_GATE)[place](bench.guard), error)
        except (asyncio.CancelledError, GeneratorExit, _Odd):
            pass
        else:
            assert reply.status == 503
        await bench.guard.aclose()
