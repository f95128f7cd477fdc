"""No history of requests, revocations, time jumps and faults serves one user's session to another, or a dead one.

The machine keeps a small truth of its own: which credentials are alive at Kratos, when each died, and what was
invalidated since. Every answer is held against it.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import httpx2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.raw_kratos import error_body

from ory_guard import Authenticated, GuardSettings, OryGuard, Outcome

from .bench import TurnedClock
from .harness import Request
from .users import session

CACHE_TTL: Final = 30.0
NEGATIVE_TTL: Final = 5.0
SKEW: Final = 10.0
_FAULTS: Final = ("none", "none", "none", "timeout", "500", "429", "nonsense", "401")


@dataclass
class Person:
    """One identity, and what is true of its session at Kratos.

    Attributes:
        name: The identity's id.
        credentials: The headers that carry its session.
        session_id: Its session; a new one with each sign-in.
        expires_at: The end of the session, on the wall clock.
        ended_at: When it ended, on the steady clock; None while it lives.
        invalidated: Whether the guard was told of the end, and came back.
    """

    name: str
    credentials: tuple[tuple[bytes, bytes], ...]
    session_id: str = ""
    expires_at: float = 0.0
    ended_at: float | None = None
    invalidated: bool = False


@dataclass
class Kratos(httpx2.AsyncBaseTransport):
    """The truth, asked over the transport: it answers by what is true when the question comes in.

    Attributes:
        people: Who there is, by credential header.
        clock: The time.
        fault: What goes wrong at present.
        landing: Set while answers may arrive; an answer that is under way was decided before.
    """

    people: dict[tuple[bytes, bytes], Person]
    clock: TurnedClock
    fault: str = "none"
    landing: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Decide now, and answer when answers may arrive."""
        sent = [(name.lower(), value) for name, value in request.headers.raw]
        (person,) = [self.people[pair] for pair in sent if pair in self.people]
        status, body = self._truth(person)
        fault = self.fault
        await self.landing.wait()
        if fault == "timeout":
            raise TimeoutError
        return httpx2.Response(
            status, content=json.dumps(body).encode(), headers={"content-type": "application/json"}
        )

    def _truth(self, person: Person) -> tuple[int, Any]:
        if self.fault in ("500", "429", "401"):
            return int(self.fault), error_body(int(self.fault))
        if self.fault == "nonsense":
            return 200, {"id": person.session_id, "active": True}
        if person.ended_at is not None or self.clock.wall >= person.expires_at:
            return 401, error_body(401)
        expires_at = datetime.fromtimestamp(person.expires_at, UTC).isoformat()
        return 200, session(person.name, id=person.session_id, expires_at=expires_at)


class Histories(RuleBasedStateMachine):
    """Three people with a token and a cookie each, one guard, and everything that can happen between them."""

    tried: ClassVar[Counter[str]] = Counter()

    @initialize()
    def begin(self) -> None:
        """Sign three people in."""
        self.loop = asyncio.new_event_loop()
        self.clock = TurnedClock()
        self.sign_ins = 0
        names = ("a", "b", "c")
        self.people = [
            Person(
                f"5c2d6a3e-0000-4000-8000-00000000000{name}",
                (
                    (b"x-session-token", f"tok-{name}".encode()),
                    (b"cookie", f"ory_kratos_session=ck-{name}".encode()),
                ),
            )
            for name in names
        ]
        by_credential = {pair: person for person in self.people for pair in person.credentials}
        self.kratos = Kratos(by_credential, self.clock)
        self.kratos.landing.set()
        made = GuardSettings(
            kratos_public_url="http://kratos.test",
            app_url="https://app.example.com",
            cache_ttl=CACHE_TTL,
            negative_ttl=NEGATIVE_TTL,
            clock_skew=SKEW,
            timeout=60,
            max_sessions=4,
        )
        self.guard = OryGuard(made, transport=self.kratos, clock=self.clock)
        self.under_way: list[tuple[Person, asyncio.Task[Outcome]]] = []
        for person in self.people:
            self._sign_in(person, 3_600)
        Histories.tried["histories"] += 1

    def _sign_in(self, person: Person, lifespan: float) -> None:
        self.sign_ins += 1
        person.session_id = f"77d1c4b0-0000-4000-8000-{self.sign_ins:012}"
        person.expires_at = self.clock.wall + lifespan
        person.ended_at = None
        person.invalidated = False

    def _turn(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(0))

    def _judge(self, person: Person, outcome: Outcome) -> None:
        Histories.tried["answers in histories"] += 1
        if not isinstance(outcome, Authenticated):
            return
        served = outcome.session
        assert served.identity.id == person.name, "somebody else's session"
        assert self.clock.wall <= served.expires_at.timestamp() + SKEW or outcome.source == "upstream", "expired"
        assert outcome.source == "upstream" or -1e-6 <= outcome.age <= CACHE_TTL, "beyond its ttl"
        if person.ended_at is not None:
            assert not person.invalidated, "answered from a check before the invalidation"
            if outcome.source != "upstream":
                assert self.clock.steady - person.ended_at <= CACHE_TTL, "dead for longer than the bound"

    @rule(who=st.integers(0, 2), kind=st.integers(0, 1))
    @precondition(lambda self: self.kratos.landing.is_set())
    def request(self, who: int, kind: int) -> None:
        """Make a request and judge its answer."""
        person = self.people[who]
        request = Request((person.credentials[kind],))
        self._judge(person, self.loop.run_until_complete(self.guard.authenticate(request.scope())))

    @rule(who=st.integers(0, 2), kind=st.integers(0, 1))
    def set_out(self, who: int, kind: int) -> None:
        """Make a request whose answer takes its time."""
        self.kratos.landing.clear()
        person = self.people[who]
        request = Request((person.credentials[kind],))
        task = self.loop.create_task(self.guard.authenticate(request.scope()))
        for _ in range(5):
            self._turn()
        if task.done():
            self._judge(person, task.result())
        else:
            self.under_way.append((person, task))

    @rule(number=st.integers(0, 5))
    @precondition(lambda self: self.under_way)
    def give_up(self, number: int) -> None:
        """Let a client go before its answer has come."""
        _, task = self.under_way.pop(number % len(self.under_way))
        task.cancel()
        self._turn()

    @rule()
    def land(self) -> None:
        """Let all answers arrive, and judge them."""
        self.kratos.landing.set()
        for person, task in self.under_way:
            self._judge(person, self.loop.run_until_complete(task))
        self.under_way.clear()

    @rule(who=st.integers(0, 2))
    def end(self, who: int) -> None:
        """End a session at Kratos; the guard is not told."""
        person = self.people[who]
        if person.ended_at is None:
            person.ended_at = self.clock.steady

    @rule(who=st.integers(0, 2), by_session=st.booleans())
    def end_and_tell(self, who: int, *, by_session: bool) -> None:
        """End a session at Kratos and tell the guard: from here on, nothing it knew may count."""
        self.end(who)
        person = self.people[who]
        ids = {"session_id": person.session_id} if by_session else {"identity_id": person.name}
        self.loop.run_until_complete(self.guard.invalidate(**ids))
        person.invalidated = True

    @rule(who=st.integers(0, 2), lifespan=st.sampled_from([5, 20, 3_600]))
    @precondition(lambda self: not self.under_way)
    def sign_in(self, who: int, lifespan: float) -> None:
        """Sign in again: the credential means a new session."""
        self._sign_in(self.people[who], lifespan)

    @rule(seconds=st.sampled_from([0.1, 1, 4, 6, 15, 31, 3_600]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.move(seconds)

    @rule(seconds=st.sampled_from([-3_600, -60, 60, 3_600]))
    def set_the_wall_clock(self, seconds: float) -> None:
        """Move the wall clock alone."""
        self.clock.wall += seconds

    @rule(fault=st.sampled_from(_FAULTS))
    def break_or_mend(self, fault: str) -> None:
        """Let Kratos fail in one way or another, or not."""
        self.kratos.fault = fault

    def teardown(self) -> None:
        """End what is under way."""
        if not hasattr(self, "loop"):
            return
        try:
            self.land()
        finally:
            for _, task in self.under_way:
                task.cancel()
            self.loop.run_until_complete(self.guard.aclose())
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


@pytest.mark.parametrize("steps", [50])
def test_no_history_serves_the_wrong_session(steps: int, tried: Counter[str]) -> None:
    """Every answer of every history is the caller's own session, alive within the stated bounds."""
    Histories.tried = tried
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=60, stateful_step_count=steps, derandomize=True)
    )
    assert tried["answers in histories"] > 100
