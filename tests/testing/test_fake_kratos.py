"""The methods of `FakeKratos`, its memory use, its clocks, and the names of `ory_guard.testing`."""

import gc
import importlib
import sys
from datetime import datetime

import pytest
from starlette.types import Message

import ory_guard.testing
from ory_guard.testing import Clock, FakeKratos, FakeKratosSettings, Identity, ManualClock

pytestmark = pytest.mark.anyio

CALLS = 10_000
FILL_LOG = 1_100
MAX_NEW_BLOCKS = 500


def test_settings_object_is_used() -> None:
    settings = FakeKratosSettings(error_ui_url="http://127.0.0.1:4455/oops")

    assert FakeKratos(settings).settings is settings


def test_sign_in_with_age_predates_the_login(fake: FakeKratos, clock: ManualClock, ada: Identity) -> None:
    session = fake.sign_in(ada, aal="aal2", age=120).session

    assert session.authenticated_at == session.methods[-1].completed_at
    assert session.authenticated_at == int((clock.time() - 120) * 1e9)


def test_sign_in_rejects_unknown_methods(fake: FakeKratos, ada: Identity) -> None:
    with pytest.raises(ValueError, match=r"unknown method 'magic'; supported: password, "):
        fake.sign_in(ada, methods=("magic",))


def test_totp_code_requires_an_authenticator_app(fake: FakeKratos, ada: Identity) -> None:
    with pytest.raises(ValueError, match="has no authenticator app; add it with totp=True"):
        fake.totp_code(ada)


def test_totp_codes_follow_their_own_clock() -> None:
    clock = ManualClock()
    fake = FakeKratos(clock=clock, totp_clock=ManualClock())
    ada = fake.add_identity(totp=True)
    code = fake.totp_code(ada)

    clock.advance(3_600)

    assert fake.totp_code(ada) == code


def test_add_identity_does_not_validate_traits(fake: FakeKratos) -> None:
    identity = fake.add_identity(organization_id="acme", traits={"name": "not an object"})

    assert (identity.organization_id, identity.traits["name"]) == ("acme", "not an object")


def test_repr_counts_identities_and_sessions(fake: FakeKratos, ada: Identity) -> None:
    fake.sign_in(ada)

    assert repr(fake) == "<FakeKratos 1 identities, 1 sessions>"


async def test_memory_stays_constant_over_10000_calls(fake: FakeKratos, ada: Identity) -> None:
    """The request log is filled first, because it keeps 1,000 requests."""
    signed_in = fake.sign_in(ada)
    headers = [(b"cookie", f"{signed_in.cookie_name}={signed_in.cookie}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/sessions/whoami", "headers": headers}
    statuses: set[int] = set()

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 200))

    async def call(times: int) -> int:
        for _ in range(times):
            await fake.app(scope, receive, send)
        gc.collect()
        return sys.getallocatedblocks()

    before = await call(FILL_LOG)
    after = await call(CALLS)

    assert statuses == {200}
    assert abs(after - before) < MAX_NEW_BLOCKS
    fake.assert_whoami_calls(FILL_LOG + CALLS)


def test_clock_adds_the_advanced_seconds_to_the_system_time() -> None:
    clock = Clock()
    wall, monotonic = clock.time(), clock.monotonic()
    clock.advance(60)

    assert clock.time() - wall >= 60
    assert clock.monotonic() - monotonic >= 60


def test_manual_clock_only_moves_when_advanced() -> None:
    clock = ManualClock()
    clock.advance(60)

    assert (clock.monotonic(), repr(clock)) == (60, "<ManualClock 2026-01-01T00:01:00Z>")


def test_clock_cannot_be_moved_backward() -> None:
    with pytest.raises(ValueError, match="seconds must be 0 or more, not -1"):
        Clock().advance(-1)


def test_manual_clock_requires_a_time_zone() -> None:
    with pytest.raises(ValueError, match="must have a time zone"):
        ManualClock(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@pytest.mark.parametrize("name", ory_guard.testing.__all__)
def test_all_lists_importable_names(name: str) -> None:
    assert getattr(ory_guard.testing, name).__name__ == name
    assert name in dir(ory_guard.testing)


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'ory_guard\.testing' has no attribute 'FakeHydra'"):
        _ = ory_guard.testing.FakeHydra  # type: ignore[attr-defined] # the point of the test


def test_missing_extra_is_reported_on_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the package itself works without the extra."""
    monkeypatch.delitem(vars(ory_guard.testing), "FakeKratos", raising=False)
    monkeypatch.delitem(sys.modules, "ory_guard.testing.fake_kratos", raising=False)
    monkeypatch.setitem(sys.modules, "pyotp", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        _ = importlib.import_module("ory_guard.testing").FakeKratos

    assert caught.value.name == "pyotp"
    assert str(caught.value) == (
        "ory_guard.testing needs pyotp: install the extra with pip install 'ory-guard[testing]'"
    )
