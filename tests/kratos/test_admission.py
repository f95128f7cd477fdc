"""Admission of calls in two classes, without sockets: each ticket records its fate."""

import itertools
from collections.abc import Callable

import pytest
from support.clock import AdjustableClock

from ory_guard.kratos.admission import Admission, ClassLoad, Ticket
from ory_guard.kratos.caller import UNKNOWN, Caller
from ory_guard.kratos.exchange import Exchange
from ory_guard.kratos.http_response import HTTPResponse

DEADLINE = 2.0


class Recorded(Ticket):
    """A ticket that records whether its call was started or shed."""

    def __init__(self, caller: Caller, deadline: float) -> None:
        super().__init__(caller, deadline)
        self.fate = ""

    def admit(self) -> None:
        """Record the start."""
        self.fate = "admitted"

    def shed(self) -> None:
        """Record the end."""
        self.fate = "shed"


class Bench:
    """Slots with a manual clock."""

    def __init__(self, limit: int = 64) -> None:
        self.clock = AdjustableClock()
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.admission = Admission(
            limit,
            DEADLINE,
            time=self.clock.monotonic,
            call_later=lambda *timer: self.timers.append(timer),
        )

    def enter(self, caller: Caller = UNKNOWN, count: int = 1) -> list[Recorded]:
        """Let calls of a class enter; those of known credentials belong to different identities."""
        tickets = [
            Recorded(self._class_of(caller, number), self.clock.monotonic() + DEADLINE) for number in range(count)
        ]
        for ticket in tickets:
            self.admission.enter(ticket)
        return tickets

    def _class_of(self, caller: Caller, number: int) -> Caller:
        return caller if caller.identity is None else caller._replace(identity=caller.identity + number)


def fates(tickets: list[Recorded]) -> dict[str, int]:
    found = [ticket.fate or "waiting" for ticket in tickets]
    return {fate: found.count(fate) for fate in sorted(set(found))}


KNOWN = Caller(100)


@pytest.mark.parametrize(
    ("limit", "first", "second", "admitted_first", "admitted_second"),
    [
        (64, UNKNOWN, KNOWN, 48, 16),
        (64, KNOWN, UNKNOWN, 48, 16),
        (8, UNKNOWN, KNOWN, 6, 2),
        (4, UNKNOWN, KNOWN, 3, 1),
        (2, UNKNOWN, KNOWN, 1, 1),
        (2, KNOWN, UNKNOWN, 1, 1),
        (1, UNKNOWN, KNOWN, 1, 0),
    ],
)
def test_each_class_has_a_reserved_share(
    limit: int, first: Caller, second: Caller, admitted_first: int, admitted_second: int
) -> None:
    bench = Bench(limit)

    one, other = bench.enter(first, 100), bench.enter(second, 100)

    assert fates(one) == {"admitted": admitted_first, "waiting": 100 - admitted_first}
    assert fates(other).get("admitted", 0) == admitted_second
    assert repr(bench.admission).startswith("<Admission ClassLoad(calls=")


def test_known_credentials_come_first_when_a_slot_is_free() -> None:
    """Also slots that unknown credentials have used, up to the share that is reserved for these."""
    bench = Bench(8)
    strangers = bench.enter(UNKNOWN, 20)
    users = bench.enter(KNOWN, 10)

    for stranger in strangers[:6]:
        bench.admission.leave(stranger)

    assert fates(users) == {"admitted": 6, "waiting": 4}
    assert fates(strangers) == {"admitted": 8, "waiting": 12}
    assert bench.admission.load(known=True) == ClassLoad(6, 4)
    assert bench.admission.load(known=False) == ClassLoad(2, 12)


def test_three_accounts_with_many_sessions_leave_reserved_slots_for_others() -> None:
    bench = Bench(64)
    for _ in range(100):
        for identity in (7, 8, 9):
            bench.enter(Caller(identity))

    assert fates(bench.enter(KNOWN, 10)) == {"admitted": 10}


@pytest.mark.parametrize(
    ("caller", "admitted"),
    [
        pytest.param(Caller(None, ("attacker", "token"), client="attacker"), 0, id="the same flow"),
        pytest.param(Caller(None, ("attacker", "cookie"), client="attacker"), 1, id="another flow of the client"),
        pytest.param(Caller(None, ("user", "token"), client="user"), 1, id="another client"),
    ],
)
def test_last_slots_are_for_others_than_a_flood(caller: Caller, admitted: int) -> None:
    """Calls that take long keep their slots, so taking turns is not enough."""
    bench = Bench(64)
    flood = bench.enter(Caller(None, ("attacker", "token"), client="attacker"), 100)
    assert fates(flood) == {"admitted": 44, "waiting": 56}

    assert fates(bench.enter(caller, 2)).get("admitted", 0) == admitted


def test_client_with_many_flows_leaves_slots_for_other_clients() -> None:
    bench = Bench(64)
    flood = [
        ticket
        for number in range(100)
        for ticket in bench.enter(Caller(None, ("attacker", number), client="attacker"))
    ]
    users = [ticket for name in ("ada", "bob") for ticket in bench.enter(Caller(None, (name, 1), client=name))]

    assert fates(flood) == {"admitted": 46, "waiting": 54}
    assert fates(users) == {"admitted": 2}
    waiting = bench.enter(Caller(None, ("eve", 1), client="eve"))
    bench.admission.leave(users[0])
    assert fates(waiting) == {"admitted": 1}
    assert fates(flood) == {"admitted": 46, "waiting": 54}
    bench.admission.leave(flood[0])
    assert fates(flood) == {"admitted": 46, "waiting": 54}  # the slot is one of the last two now
    bench.admission.leave(waiting[0])
    bench.admission.leave(users[1])
    assert fates(flood)["admitted"] == 48 - 2 + 1


@pytest.mark.parametrize("clients", [1, 50, 1_000])
def test_full_queue_of_a_flood_leaves_room_for_users(clients: int) -> None:
    """Each call of the flood that ends is followed by others. Users still wait for one call at most."""
    bench = Bench(32)
    numbers = itertools.count()

    def attack(count: int) -> list[Recorded]:
        names = [next(numbers) for _ in range(count)]
        return [ticket for name in names for ticket in bench.enter(Caller(None, name % 997, client=name % clients))]

    flood = attack(6_000)
    for number in range(100):
        user = bench.enter(Caller(None, (f"user {number}", 1), client=f"user {number}"))
        bench.admission.leave(next(ticket for ticket in flood if ticket.fate == "admitted"))
        flood = [ticket for ticket in flood if ticket.state != "left"] + attack(3)
        assert fates(user) == {"admitted": 1}
        bench.admission.leave(user[0])

    assert bench.admission.load(known=False).waiting >= 4_095


def test_account_with_many_sessions_leaves_slots_for_users_who_log_in() -> None:
    """Calls beyond its reserved slots count as one flow of one client."""
    bench = Bench(64)
    attacker = [ticket for _ in range(100) for ticket in bench.enter(Caller(7, 7, client=7))]

    assert fates(attacker) == {"admitted": 2 + 44, "waiting": 54}
    assert fates(bench.enter(Caller(None, ("user", 1), client="user"))) == {"admitted": 1}


def test_call_with_too_little_time_is_shed() -> None:
    """The typical duration of calls is measured, so that Kratos does no work that comes too late."""
    bench = Bench(4)
    for _ in range(50):
        tickets = bench.enter(UNKNOWN, 4)  # one of them waits
        bench.clock.advance(1)
        for ticket in tickets:
            bench.admission.leave(ticket)
    running = bench.enter(UNKNOWN, 3)
    late = bench.enter()
    bench.clock.advance(1.5)
    early = bench.enter()

    bench.admission.leave(running[0])
    bench.admission.leave(running[1])

    assert (fates(early), fates(late)) == ({"admitted": 1}, {"shed": 1})


@pytest.mark.parametrize("caller", [UNKNOWN, KNOWN], ids=["unknown", "known"])
def test_number_of_waiting_calls_is_limited(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ory_guard.kratos.admission._MAX_WAITING", 10)
    bench = Bench(1)

    assert fates(bench.enter(caller, 15)) == {"admitted": 1, "shed": 4, "waiting": 10}


def test_closing_sheds_all_waiting_calls() -> None:
    bench = Bench(1)
    tickets = bench.enter(UNKNOWN, 5) + bench.enter(KNOWN, 5)

    bench.admission.close()

    assert fates(tickets) == {"admitted": 1, "shed": 9}
    for ticket in tickets:
        bench.admission.leave(ticket)
    assert bench.admission.load(known=False) == bench.admission.load(known=True) == ClassLoad()
    assert bench.admission._by_identity == {}


def test_closing_ends_limited_calls() -> None:
    """The end of an exchange removes it from the limited calls."""
    bench = Bench()
    results: list[HTTPResponse | Exception] = []
    callers = [UNKNOWN] * 3 + [Caller(1)] * 2
    exchanges = [Exchange(bench.admission, lambda _: None, b"", results.append, caller) for caller in callers]
    for exchange in exchanges:
        exchange.deadline = DEADLINE
        bench.admission.enter(exchange)
    for exchange in exchanges:
        exchange.finish(HTTPResponse(429, [], b""))

    bench.admission.close()

    assert [type(result) for result in results] == [HTTPResponse] * 3 + [ConnectionError] * 2
    for _, retry in bench.timers:
        retry()
    assert bench.admission.load(known=True) == ClassLoad()
    assert bench.admission._by_identity == {}


def test_unknown_credentials_are_paced_after_many_429_responses() -> None:
    """A timer admits the waiting calls; known credentials do not wait."""
    bench = Bench()
    for ticket in bench.enter(UNKNOWN, 40):
        ticket.is_limited = True
        bench.admission.leave(ticket)

    strangers = bench.enter(UNKNOWN, 3)
    assert fates(strangers) == {"waiting": 3}
    assert fates(bench.enter(KNOWN, 10)) == {"admitted": 10}
    ((seconds, on_due),) = bench.timers
    assert seconds == pytest.approx(1 / 20)
    bench.clock.advance(seconds)
    on_due()
    assert fates(strangers) == {"admitted": 1, "waiting": 2}
    assert len(bench.timers) == 2


@pytest.mark.parametrize("method", ["admit", "shed"])
def test_ticket_is_abstract(method: str) -> None:
    with pytest.raises(NotImplementedError):
        getattr(Ticket(UNKNOWN), method)()


@pytest.mark.parametrize(
    ("caller", "limited", "known", "seconds"),
    [
        (KNOWN, 3, 429, 1.0),
        (KNOWN, 2, 200, None),
        (UNKNOWN, 3, 200, 1.0),
        (UNKNOWN, 3, 429, None),
        (UNKNOWN, 3, None, None),
        (UNKNOWN, 2, 200, None),
    ],
)
def test_a_limited_call_is_repeated_if_unknown_credentials_use_up_the_limit(
    caller: Caller, limited: int, known: int | None, seconds: float | None
) -> None:
    """Once, in the middle of the time that is left, but not later than after a second."""
    bench = Bench()
    for stranger in bench.enter(UNKNOWN, limited):
        stranger.is_limited = True
        bench.admission.leave(stranger)
    for user in bench.enter(KNOWN, known is not None):
        user.is_limited = known == 429
        bench.admission.leave(user)
    (call,) = bench.enter(caller)

    assert bench.admission.retry_later(call) is (seconds is not None)
    assert [timer[0] for timer in bench.timers] == ([] if seconds is None else [seconds])
    for _, retry in bench.timers:
        call.fate = ""
        assert bench.admission.load(known=caller is KNOWN) == ClassLoad()
        retry()
        assert call.fate == "admitted"
        assert bench.admission.load(known=caller is KNOWN) == ClassLoad(1)
        assert not bench.admission.retry_later(call)


def test_limited_calls_of_invented_credentials_are_not_all_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of known credentials are."""
    monkeypatch.setattr("ory_guard.kratos.admission._MAX_RETRIES", 2)
    bench = Bench()
    strangers, users = bench.enter(UNKNOWN, 9), bench.enter(KNOWN, 4)
    bench.admission.leave(users.pop())
    for stranger in strangers[:3]:
        stranger.is_limited = True
        bench.admission.leave(stranger)

    assert [bench.admission.retry_later(ticket) for ticket in strangers[3:6]] == [True, True, False]
    assert [bench.admission.retry_later(ticket) for ticket in users] == [True] * 3


@pytest.mark.parametrize("end", ["close", "leave"])
def test_a_limited_call_that_has_ended_is_not_repeated(end: str) -> None:
    bench = Bench()
    for stranger in bench.enter(UNKNOWN, 3):
        stranger.is_limited = True
        bench.admission.leave(stranger)
    (call,) = bench.enter(KNOWN)
    assert bench.admission.retry_later(call)
    if end == "close":
        bench.admission.close()
    else:
        bench.admission.leave(call)
    fate, call.fate = call.fate, ""
    bench.timers[0][1]()

    assert (fate, call.fate) == ("shed" if end == "close" else "admitted", "")
    assert bench.admission.load(known=True) == ClassLoad()
