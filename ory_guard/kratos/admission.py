"""Admission of calls in two classes, so that no client can take all slots of the guard.

Known credentials were good within the last hour, all others are unknown: invented ones, and those of users who have
just logged in. Each class has a reserved share of the slots that the other one never takes; the slots in between go
to known credentials first. Within the unknown class, flows take turns (`FairQueue`).
"""

from collections.abc import Callable, Hashable
from typing import Final, Literal, NamedTuple

from ory_guard.kratos.fair_queue import FairQueue

__all__ = ["UNKNOWN", "Admission", "CallClass", "ClassLoad", "Ticket"]

_RESERVED_FRACTION: Final = 4
"""Each class has a fourth of the slots to itself."""

_IDENTITY_FRACTION: Final = 8
"""One identity holds at most an eighth of the reserved slots, and at least one."""

_MAX_WAITING: Final = 4_096
"""The maximum number of waiting calls of each class."""

_DURATION_WEIGHT: Final = 1 / 16


class CallClass(NamedTuple):
    """The class of a call.

    Attributes:
        identity: A hash of the identity of a known credential, or None for an unknown credential.
        flow: Unknown credentials of different flows take turns.
    """

    identity: int | None = None
    flow: Hashable = None


UNKNOWN: Final = CallClass()


class ClassLoad(NamedTuple):
    """The calls of one class.

    Attributes:
        calls: The number of calls in progress.
        waiting: The number of calls that wait for a slot.
    """

    calls: int = 0
    waiting: int = 0


class Ticket:
    """A call that needs a slot. Subclasses start the call, or end it without a slot.

    Args:
        call_class: The class of the call.
        deadline: The end of the call, on the clock of the event loop.
    """

    __slots__ = ("call_class", "deadline", "is_known", "started_at", "state")

    def __init__(self, call_class: CallClass, deadline: float = 0.0) -> None:
        self.call_class: CallClass = call_class
        self.deadline: float = deadline
        self.is_known: bool = False
        self.started_at: float = 0.0
        self.state: Literal["new", "waiting", "admitted", "left"] = "new"

    def admit(self) -> None:
        """Start the call. It must not raise."""
        raise NotImplementedError

    def shed(self) -> None:
        """End the call without a slot. It must not raise."""
        raise NotImplementedError


class Admission:
    """The slots of one event loop.

    Args:
        limit: The number of slots.
        time: The clock of the event loop.

    Attributes:
        is_closed: Whether `close` was called.
    """

    def __init__(self, limit: int, time: Callable[[], float]) -> None:
        share = max(limit // _RESERVED_FRACTION, 1) if limit > 1 else 0
        self._limit = limit
        self._class_limit = limit - share
        self._identity_limit = max(share // _IDENTITY_FRACTION, 1)
        self._time = time
        self._known_calls = self._unknown_calls = 0
        self._by_identity: dict[int, int] = {}
        self._known_waiting: dict[Ticket, None] = {}
        self._unknown_waiting: FairQueue[Ticket] = FairQueue()
        self._typical_duration = 0.0
        self.is_closed: bool = False

    def __repr__(self) -> str:
        return f"<Admission {self.load(known=True)} known, {self.load(known=False)} unknown>"

    def load(self, *, known: bool) -> ClassLoad:
        """Return the number of calls of a class."""
        if known:
            return ClassLoad(self._known_calls, len(self._known_waiting))
        return ClassLoad(self._unknown_calls, len(self._unknown_waiting))

    def enter(self, ticket: Ticket) -> None:
        """Admit a call now or when a slot is free, or shed it."""
        identity = ticket.call_class.identity
        if identity is not None:
            count = self._by_identity.get(identity, 0)
            if count < self._identity_limit:
                self._by_identity[identity] = count + 1
                ticket.is_known = True
        if self._has_slot(known=ticket.is_known):
            self._admit(ticket)
            return
        ticket.state = "waiting"
        if ticket.is_known:
            self._known_waiting[ticket] = None
            is_full = len(self._known_waiting) > _MAX_WAITING
        else:
            self._unknown_waiting.push(ticket.call_class.flow, ticket)
            is_full = len(self._unknown_waiting) > _MAX_WAITING
        if is_full:
            self.leave(ticket)
            ticket.shed()

    def leave(self, ticket: Ticket) -> None:
        """Free the slot of a call that has ended, or remove the call from the queue."""
        state, ticket.state = ticket.state, "left"
        if state == "admitted":
            self._on_end(ticket)
        elif state == "waiting":
            if ticket.is_known:
                del self._known_waiting[ticket]
            else:
                self._unknown_waiting.remove(ticket.call_class.flow, ticket)
        if ticket.is_known and state != "left":
            self._forget_identity(ticket)
        if state == "admitted":
            self._admit_waiting()

    def close(self) -> None:
        """Shed all waiting calls."""
        self.is_closed = True
        for ticket in self._known_waiting:
            self._take(ticket).shed()
        self._known_waiting.clear()
        while self._unknown_waiting:
            self._take(self._unknown_waiting.pop()).shed()

    def _has_slot(self, *, known: bool) -> bool:
        if self._known_calls + self._unknown_calls >= self._limit:
            return False
        return (self._known_calls if known else self._unknown_calls) < self._class_limit

    def _admit(self, ticket: Ticket) -> None:
        ticket.state = "admitted"
        if ticket.is_known:
            self._known_calls += 1
        else:
            self._unknown_calls += 1
            ticket.started_at = self._time()
        ticket.admit()

    def _on_end(self, ticket: Ticket) -> None:
        if ticket.is_known:
            self._known_calls -= 1
        else:
            self._unknown_calls -= 1
            duration = self._time() - ticket.started_at
            self._typical_duration += (duration - self._typical_duration) * _DURATION_WEIGHT

    def _forget_identity(self, ticket: Ticket) -> None:
        identity = ticket.call_class.identity
        assert identity is not None  # noqa: S101 - is_known
        if self._by_identity[identity] > 1:
            self._by_identity[identity] -= 1
        else:
            del self._by_identity[identity]

    def _admit_waiting(self) -> None:
        while self._known_waiting and self._has_slot(known=True):
            ticket = next(iter(self._known_waiting))
            del self._known_waiting[ticket]
            self._admit(ticket)
        while self._unknown_waiting and self._has_slot(known=False):
            ticket = self._unknown_waiting.pop()
            if ticket.deadline - self._time() < self._typical_duration:
                self._take(ticket).shed()  # there is too little time left for the call
            else:
                self._admit(ticket)

    def _take(self, ticket: Ticket) -> Ticket:
        ticket.state = "left"
        if ticket.is_known:
            self._forget_identity(ticket)
        return ticket
