"""The state of an identity and a session before and after a change, while web hooks decide about the change."""

from copy import copy, deepcopy
from dataclasses import fields
from typing import Any

from ory_guard.testing.store.records import Identity, Session

__all__ = ["Snapshot"]


class Snapshot:
    """The current state of a session and its identity. Addresses stay the same objects.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._identity_state = _state(session.identity) | {"credentials": deepcopy(session.identity.credentials)}
        self._session_state = _state(session) | {"identity": session.identity}

    def restore(self) -> None:
        """Set the session and the identity to this state."""
        for record, state in (
            (self._session.identity, self._identity_state),
            (self._session, self._session_state),
        ):
            for name, value in state.items():
                setattr(record, name, value)


def _state(record: Identity | Session) -> dict[str, Any]:
    return {field.name: copy(getattr(record, field.name)) for field in fields(record)}
