"""Admission of calls in two classes, so that no client can take all slots of the guard.

Known credentials were good within the last hour, all others are unknown: invented ones, and those of users who have
just logged in. Each class has a reserved share of the slots that the other one never takes; the slots in between go
to known credentials first. Within the unknown class, clients take turns (`FairQueue`), and the last slots are
for clients without a call (`LastSlots`).
"""

from collections.abc import Callable, Hashable
from functools import partial
from typing import Final, Literal, NamedTuple

from ory_guard.kratos.caller import Caller
from ory_guard.kratos.fair_queue import FairQueue
from ory_guard.kratos.last_slots import LastSlots
from ory_guard.kratos.pacing import Pace

__all__ = ["Admission", "ClassLoad", "Ticket"]

_RESERVED_FRACTION: Final = 4
"""Each class has a fourth of the slots to itself."""

_IDENTITY_FRACTION: Final = 8
"""One identity holds at most an eighth of the reserved slots, and at least one."""

_MAX_WAITING: Final = 4_096
"""The maximum number of waiting calls of each class."""

_DURATION_WEIGHT: Final = 1 / 16

_RETRY_DELAY: Final = 1.0
"""Seconds until a limited call is sent again; most limits count the calls of a second."""

_MAX_RETRIES: Final = 1_024
"""The maximum number of limited calls of unknown credentials that are sent again."""


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
        caller: The credential of the call.
        deadline: The end of the call, on the clock of the event loop.

    Attributes:
        is_known: Whether the call has, or waits for, a slot for known credentials.
        is_limited: Whether the status of the response was 429.
        was_limited: Whether the call is sent again after a 429.
    """

    # Class attributes, because a constructor that sets all of them takes twice the time.
    deadline: float = 0.0
    started_at: float = 0.0
    is_known: bool = False
    is_limited: bool = False
    was_limited: bool = False
    state: Literal["new", "waiting", "admitted", "left"] = "new"

    def __init__(self, caller: Caller, deadline: float = 0.0) -> None:
        self.caller: Caller = caller
        self.deadline = deadline

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
        timeout: The longest duration of a call, waiting included, in seconds.
        time: The clock of the event loop.
        call_later: Calls a function after some seconds.

    Attributes:
        is_closed: Whether `close` was called.
    """

    def __init__(
        self,
        limit: int,
        timeout: float,
        *,
        time: Callable[[], float],
        call_later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        share = max(limit // _RESERVED_FRACTION, 1) if limit > 1 else 0
        self._limit = limit
        self._class_limit = limit - share
        self._identity_limit = max(share // _IDENTITY_FRACTION, 1)
        self._timeout = timeout
        self._time = time
        self._call_later = call_later
        self._is_scheduled = False
        self._pace = Pace()
        self._known_calls = self._unknown_calls = 0
        self._by_identity: dict[Hashable, int] = {}
        self._known_waiting: dict[Ticket, None] = {}
        self._unknown_waiting: FairQueue[Ticket] = FairQueue()
        self._last_slots = LastSlots(limit)
        self._ample_limit = self._class_limit - self._last_slots.count
        self._limited: dict[Ticket, None] = {}
        self._is_known_answered = False
        self._is_contended = False
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
        identity = ticket.caller[0]
        if identity is not None:
            count = self._by_identity.get(identity, 0)
            if count < self._identity_limit:
                self._by_identity[identity] = count + 1
                ticket.is_known = True
        if self._is_ample() or (
            self._has_slot(known=ticket.is_known) and (ticket.is_known or self._may_take_slot(ticket))
        ):
            self._admit(ticket)
        else:
            self._enqueue(ticket)

    def _enqueue(self, ticket: Ticket) -> None:
        ticket.state = "waiting"
        self._is_contended = True
        if ticket.is_known:
            self._known_waiting[ticket] = None
            if len(self._known_waiting) > _MAX_WAITING:
                self.leave(ticket)
                ticket.shed()
        else:
            client = ticket.caller.client
            self._unknown_waiting.push(client, ticket.caller.flow, ticket)
            if len(self._unknown_waiting) > _MAX_WAITING:
                self._take(self._unknown_waiting.pop_surplus(client)).shed()

    def leave(self, ticket: Ticket) -> None:
        """Free the slot of a call that has ended, or remove the call from the queue."""
        state, ticket.state = ticket.state, "left"
        if state == "admitted":
            if ticket.is_known:
                self._known_calls -= 1
                self._is_known_answered = not ticket.is_limited
                self._forget_identity(ticket)
            else:
                self._unknown_calls -= 1
                self._last_slots.remove(ticket.caller)
                self._pace.record_end(self._time(), is_limited=ticket.is_limited)
            if self._is_contended:
                self._admit_after(ticket)
        elif state == "waiting":
            if ticket.is_known:
                del self._known_waiting[ticket]
                self._forget_identity(ticket)
            else:
                self._unknown_waiting.remove(ticket.caller.client, ticket.caller.flow, ticket)
        else:
            self._limited.pop(ticket, None)

    def _admit_after(self, ticket: Ticket) -> None:
        if not ticket.is_known:
            duration = self._time() - (ticket.started_at or ticket.deadline - self._timeout)
            self._typical_duration += (duration - self._typical_duration) * _DURATION_WEIGHT
        self._admit_waiting()

    def retry_later(self, ticket: Ticket) -> bool:
        """Return whether a call that got a 429 will be admitted once more, within a second; if so, free its slot.

        This is done while calls for unknown credentials get 429 responses: these have used up a limit that all
        calls share, so the 429 says nothing about a single credential. For unknown credentials, it is done only if
        the last call for a known one got another response.
        """
        now = self._time()
        if ticket.was_limited or not self._pace.is_limited(now):
            return False
        can_retry = self._is_known_answered and len(self._limited) < _MAX_RETRIES
        if ticket.caller.identity is None and not can_retry:
            return False
        self.leave(ticket)
        ticket.state, ticket.is_known, ticket.is_limited, ticket.was_limited = "new", False, False, True
        self._limited[ticket] = None
        self._call_later(min(_RETRY_DELAY, (ticket.deadline - now) / 2), partial(self._retry, ticket))
        return True

    def _retry(self, ticket: Ticket) -> None:
        if ticket in self._limited:
            del self._limited[ticket]
            self.enter(ticket)

    def close(self) -> None:
        """Shed all waiting calls."""
        self.is_closed = True
        limited, self._limited = self._limited, {}  # the end of a ticket removes it
        for ticket in limited:
            ticket.shed()
        for ticket in self._known_waiting:
            self._take(ticket).shed()
        self._known_waiting.clear()
        while (unknown := self._unknown_waiting.pop()) is not None:
            self._take(unknown).shed()

    def _is_ample(self) -> bool:
        """Return whether any call may start; a short form of the other conditions for the usual case."""
        return self._known_calls + self._unknown_calls < self._ample_limit and self._pace.rate is None

    def _has_slot(self, *, known: bool) -> bool:
        if self._known_calls + self._unknown_calls >= self._limit:
            return False
        if known:
            return self._known_calls < self._class_limit
        return self._unknown_calls < self._class_limit and (self._pace.rate is None or self._is_due())

    def _may_take_slot(self, ticket: Ticket) -> bool:
        free = min(self._class_limit, self._limit - self._known_calls) - self._unknown_calls
        return self._last_slots.may_take(ticket.caller, free)

    def _is_due(self) -> bool:
        """Return whether the pace allows a call for an unknown credential; if not, admit calls when it does."""
        seconds = self._pace.seconds_until_due(self._time())
        if seconds > 0 and not self._is_scheduled:
            self._is_scheduled = True
            self._call_later(seconds, self._on_due)
        return seconds <= 0

    def _on_due(self) -> None:
        self._is_scheduled = False
        self._admit_waiting()

    def _admit(self, ticket: Ticket) -> None:
        ticket.state = "admitted"
        if ticket.is_known:
            self._known_calls += 1
        else:
            self._unknown_calls += 1
            self._last_slots.add(ticket.caller)
            if self._is_contended or self._pace.rate is not None:
                ticket.started_at = self._time()
                self._pace.record_start(ticket.started_at)
        ticket.admit()

    def _forget_identity(self, ticket: Ticket) -> None:
        identity = ticket.caller.identity
        if self._by_identity[identity] > 1:
            self._by_identity[identity] -= 1
        else:
            del self._by_identity[identity]

    def _admit_waiting(self) -> None:
        while self._known_waiting and self._has_slot(known=True):
            known = next(iter(self._known_waiting))
            del self._known_waiting[known]
            self._admit(known)
        while self._unknown_waiting and self._has_slot(known=False):
            ticket = self._unknown_waiting.pop(self._may_take_slot)
            if ticket is None:
                break
            if ticket.deadline - self._time() < self._typical_duration:
                self._take(ticket).shed()  # there is too little time left for the call
            else:
                self._admit(ticket)
        self._is_contended = bool(self._known_waiting or self._unknown_waiting or self._pace.rate)

    def _take(self, ticket: Ticket) -> Ticket:
        ticket.state = "left"
        if ticket.is_known:
            self._forget_identity(ticket)
        return ticket
