"""No sequence of requests, revocations, clock changes and faults serves a session of another user or an ended one.

The model records which credentials are valid at Kratos, when each ended, and which were invalidated; every outcome
is compared with it.
"""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import httpx2
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.raw_kratos import error_body

from ory_guard import Authenticated, OryGuard, Outcome

from .bench import request, session

CACHE_TTL: Final = 30.0
NEGATIVE_TTL: Final = 5.0
SKEW: Final = 10.0
_FAULTS: Final = ("none", "none", "none", "timeout", "500", "429", "invalid", "401")


@dataclass
class User:
    """An identity, and the state of its session at Kratos."""

    name: str
    credentials: tuple[tuple[bytes, bytes], ...]
    session_id: str = ""
    expires_at: float = 0.0  # on the wall clock
    ended_at: float | None = None  # on the monotonic clock
    invalidated: bool = False


@dataclass
class Kratos(httpx2.AsyncBaseTransport):
    """A Kratos whose responses depend on the state when the request arrives."""

    users: dict[tuple[bytes, bytes], User]
    clock: AdjustableClock
    fault: str = "none"
    # set while responses are delivered at once; otherwise they wait, unchanged
    delivering: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Create the response now, and return it when responses are delivered."""
        sent = [(name.lower(), value) for name, value in request.headers.raw]
        (user,) = [self.users[pair] for pair in sent if pair in self.users]
        status, body = self._response(user)
        fault = self.fault
        await self.delivering.wait()
        if fault == "timeout":
            raise TimeoutError
        return httpx2.Response(
            status, content=json.dumps(body).encode(), headers={"content-type": "application/json"}
        )

    def _response(self, user: User) -> tuple[int, Any]:
        if self.fault in ("500", "429", "401"):
            return int(self.fault), error_body(int(self.fault))
        if self.fault == "invalid":
            return 200, {"id": user.session_id, "active": True}
        if user.ended_at is not None or self.clock.time() >= user.expires_at:
            return 401, error_body(401)
        expires_at = datetime.fromtimestamp(user.expires_at, UTC).isoformat()
        return 200, session(user.name, id=user.session_id, expires_at=expires_at)


class Histories(RuleBasedStateMachine):
    """Three users with a token and a cookie each, one guard, and the events that can happen."""

    outcomes: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        """Log three users in."""
        self.loop = asyncio.new_event_loop()
        self.clock = AdjustableClock()
        self.logins = 0
        names = ("a", "b", "c")
        self.users = [
            User(
                f"5c2d6a3e-0000-4000-8000-00000000000{name}",
                (
                    (b"x-session-token", f"tok-{name}".encode()),
                    (b"cookie", f"ory_kratos_session=ck-{name}".encode()),
                ),
            )
            for name in names
        ]
        by_credential = {pair: user for user in self.users for pair in user.credentials}
        self.kratos = Kratos(by_credential, self.clock)
        self.kratos.delivering.set()
        made = settings_of(
            cache_ttl=CACHE_TTL,
            negative_ttl=NEGATIVE_TTL,
            clock_skew=SKEW,
            max_sessions=4,
        )
        self.guard = OryGuard(made, transport=self.kratos, clock=self.clock)
        self.pending: list[tuple[User, asyncio.Task[Outcome]]] = []
        for user in self.users:
            self._log_in(user, 3_600)

    def _log_in(self, user: User, lifespan: float) -> None:
        self.logins += 1
        user.session_id = f"77d1c4b0-0000-4000-8000-{self.logins:012}"
        user.expires_at = self.clock.time() + lifespan
        user.ended_at = None
        user.invalidated = False

    async def _ask(self, user: User, kind: int) -> Outcome:
        return await self.guard.authenticate(request(user.credentials[kind]))

    def _turn(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0))

    def _check(self, user: User, outcome: Outcome) -> None:
        Histories.outcomes += 1
        if not isinstance(outcome, Authenticated):
            return
        served = outcome.session
        assert served.identity.id == user.name, "session of another user"
        assert self.clock.time() <= served.expires_at.timestamp() + SKEW or outcome.source == "upstream", "expired"
        assert outcome.source == "upstream" or -1e-6 <= outcome.age <= CACHE_TTL, "older than cache_ttl"
        if user.ended_at is not None:
            assert not user.invalidated, "served after the invalidation"
            if outcome.source != "upstream":
                assert self.clock.monotonic() - user.ended_at <= CACHE_TTL, (
                    "served longer than cache_ttl after its end"
                )

    @rule(index=st.integers(0, 2), kind=st.integers(0, 1))
    @precondition(lambda self: self.kratos.delivering.is_set())
    def request(self, index: int, kind: int) -> None:
        """Send a request and check the outcome."""
        user = self.users[index]
        self._check(user, self.loop.run_until_complete(self._ask(user, kind)))

    @rule(index=st.integers(0, 2), kind=st.integers(0, 1))
    def start_request(self, index: int, kind: int) -> None:
        """Send a request whose response is delayed."""
        self.kratos.delivering.clear()
        user = self.users[index]
        task = self.loop.create_task(self._ask(user, kind))
        for _ in range(5):
            self._turn()
        if task.done():
            self._check(user, task.result())
        else:
            self.pending.append((user, task))

    @rule(number=st.integers(0, 5))
    @precondition(lambda self: self.pending)
    def cancel_request(self, number: int) -> None:
        """Cancel a pending request."""
        _, task = self.pending.pop(number % len(self.pending))
        task.cancel()
        self._turn()

    @rule()
    def deliver(self) -> None:
        """Deliver all responses, and check the outcomes."""
        self.kratos.delivering.set()
        for user, task in self.pending:
            self._check(user, self.loop.run_until_complete(task))
        self.pending.clear()

    @rule(index=st.integers(0, 2))
    def end(self, index: int) -> None:
        """End a session at Kratos without informing the guard."""
        user = self.users[index]
        if user.ended_at is None:
            user.ended_at = self.clock.monotonic()

    @rule(index=st.integers(0, 2), by_session=st.booleans())
    def end_and_invalidate(self, index: int, *, by_session: bool) -> None:
        """End a session at Kratos and invalidate it; after that it must not be served."""
        self.end(index)
        user = self.users[index]
        ids = {"session_id": user.session_id} if by_session else {"identity_id": user.name}
        self.loop.run_until_complete(self.guard.invalidate(**ids))
        user.invalidated = True

    @rule(index=st.integers(0, 2), lifespan=st.sampled_from([5, 20, 3_600]))
    @precondition(lambda self: not self.pending)
    def log_in(self, index: int, lifespan: float) -> None:
        """Log in again: the credential belongs to a new session."""
        self._log_in(self.users[index], lifespan)

    @rule(seconds=st.sampled_from([0.1, 1, 4, 6, 15, 31, 3_600]))
    def wait(self, seconds: float) -> None:
        """Advance both clocks."""
        self.clock.advance(seconds)

    @rule(seconds=st.sampled_from([-3_600, -60, 60, 3_600]))
    def set_the_wall_clock(self, seconds: float) -> None:
        """Change the wall clock only."""
        self.clock.set_wall_clock(seconds)

    @rule(fault=st.sampled_from(_FAULTS))
    def set_fault(self, fault: str) -> None:
        """Start or end a fault of Kratos."""
        self.kratos.fault = fault

    def teardown(self) -> None:
        """End the pending requests."""
        if not hasattr(self, "loop"):
            return
        try:
            self.deliver()
        finally:
            for _, task in self.pending:
                task.cancel()
            self.loop.run_until_complete(self.guard.aclose())
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


def test_no_history_serves_a_wrong_session() -> None:
    """Each authenticated outcome has the session of the caller, and is within the documented lifetimes."""
    Histories.outcomes = 0
    run_state_machine_as_test(Histories, settings=settings(max_examples=60, stateful_step_count=50))
    assert Histories.outcomes > 100
