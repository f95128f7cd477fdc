"""Sessions whose JSON is parsed when they are first read.

Parsing takes longer than everything else that a process does with a session from a shared store, and many requests
do not read their session.
"""

from collections.abc import Callable
from typing import Any, Final, Self, TypeAlias

from ory_guard.models.session import Session

__all__ = ["DeferredSession", "defer_session", "ids_of"]

_Parse: TypeAlias = Callable[[bytes], "Session[Any] | None"]
_Deferred: TypeAlias = tuple[_Parse, bytes, str, str]
"""The parser, the JSON, the id of the session and that of its identity."""

_ATTRIBUTES: Final = ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__")
_DEFERRED: Final = "__pydantic_private__"  # this slot is not used, because sessions have no private attributes
_get: Final = object.__getattribute__
_set: Final = object.__setattr__


class DeferredSession(Session, defer_build=True):
    """A session that was not read yet. The first access of an attribute, also by pydantic, makes it a `Session`."""

    def __getattribute__(self, name: str) -> Any:
        _parse(self)
        return getattr(self, name)

    def __copy__(self) -> Self:
        _parse(self)
        return Session.__copy__(self)


DeferredSession.__name__ = DeferredSession.__qualname__ = "Session"  # for errors of Python, which name the class


def _parse(session: DeferredSession) -> None:
    deferred: _Deferred | None = _get(session, _DEFERRED)
    if deferred is not None:
        parse, body, _, _ = deferred
        parsed = parse(body)
        if parsed is None:
            raise RuntimeError("a session that was valid when it was stored is invalid")
        for name in _ATTRIBUTES:
            _set(session, name, getattr(parsed, name))
        _set(session, _DEFERRED, None)
    # The class is last, so that no other thread sees an incomplete `Session`.
    _set(session, "__class__", Session)


def defer_session(parse: _Parse, body: bytes, session_id: str, identity_id: str) -> "Session[Any]":
    """Return a session that is parsed when one of its attributes is read.

    Args:
        parse: Returns the `Session` in a body. Threads that read the session at the same time may all call it.
        body: The JSON of a valid session whose traits have no model.
        session_id: The id of the session.
        identity_id: The id of its identity.
    """
    session = object.__new__(DeferredSession)
    _set(session, _DEFERRED, (parse, body, session_id, identity_id))
    return session


def ids_of(session: "Session[Any]") -> tuple[str, str]:
    """Return the id of a session and that of its identity, without parsing a deferred session."""
    if type(session) is DeferredSession:
        deferred: _Deferred | None = _get(session, _DEFERRED)
        if deferred is not None:
            return deferred[2:]
    return session.id, session.identity.id
