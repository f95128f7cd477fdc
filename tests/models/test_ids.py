"""IDs: UUIDs in any spelling, and other strings."""

from typing import Any
from uuid import UUID

import pytest
from support.guard_bench import SESSION_TOKEN, Bench
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body, signed_in

from ory_guard import Authenticated
from ory_guard.events import Event, SessionsInvalidated
from ory_guard.exceptions import ConfigurationError
from ory_guard.models.ids import id_spellings, normalize_uuid

pytestmark = pytest.mark.anyio

SPELLINGS = {
    "canonical": str,
    "object": UUID,
    "upper case": str.upper,
    "without hyphens": lambda text: text.replace("-", ""),
    "in braces": lambda text: "{" + text + "}",
    "URN": lambda text: "urn:uuid:" + text,
    "URN in upper case": lambda text: "URN:UUID:" + text.upper(),
}
NO_UUIDS = [
    *("", "x", SESSION_ID[:-1], SESSION_ID + "0", SESSION_ID + "\n", "{" + SESSION_ID, SESSION_ID + "}"),
    *(SESSION_ID.replace("-", "_"), SESSION_ID[:8] + SESSION_ID[9:], SESSION_ID.replace("5", "\u0665")),
]
NO_IDS = [
    *("", " ", "a b", "a\u00a0b", "a\u2003b", "\t", f"{SESSION_ID}\n", "\x00", "\x7f", "\u200b", "\ud800"),
    *(b"", SESSION_ID.encode(), 7, True, 1.5, (), [SESSION_ID], {"id": SESSION_ID}, ...),
]


@pytest.mark.parametrize("text", NO_UUIDS, ids=ascii)
def test_other_text_is_unchanged(text: str) -> None:
    """It may be an ID of another kind."""
    assert normalize_uuid(text) == text


@pytest.mark.parametrize("value", NO_IDS, ids=ascii)
async def test_invalidate_rejects_a_value_that_is_not_an_id(value: Any) -> None:
    """A call without effect would look like a success."""
    bench = Bench()
    await bench.outcome()

    for name in ("session_id", "identity_id"):
        with pytest.raises(ConfigurationError, match=rf"^{name}: .* is not an id"):
            await bench.guard.invalidate(**{name: value})
    with pytest.raises(ConfigurationError, match=r"^identity_id: "):
        await bench.guard.invalidate(session_id=SESSION_ID, identity_id=value)
    await bench.outcome()
    assert bench.calls == 1, "a refused call invalidates nothing"


@pytest.mark.parametrize("name", ["session_id", "identity_id"])
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
async def test_invalidate_accepts_any_spelling(name: str, spell: Any) -> None:
    """The event contains Kratos' spelling."""
    events: list[Event] = []
    bench = Bench(listeners=[events.append])
    await bench.outcome()
    known = {"session_id": SESSION_ID, "identity_id": IDENTITY_ID}[name]

    await bench.guard.invalidate(**{name: spell(known)})

    assert SessionsInvalidated(**{"session_id": None, "identity_id": None, name: known}) in events
    assert isinstance(await bench.outcome(SESSION_TOKEN), Authenticated)
    assert bench.calls == 2


async def test_invalidate_also_uses_the_given_spelling() -> None:
    """The subject of a JWT may be an ID of the application."""
    given = IDENTITY_ID.upper()
    bench = Bench(signed_in(session_body(identity={"id": given})))
    await bench.outcome()

    await bench.guard.invalidate(identity_id=given)

    await bench.outcome()
    assert bench.calls == 2
    assert id_spellings("id", given) == (IDENTITY_ID, given)
    assert id_spellings("id", UUID(given)) == id_spellings("id", IDENTITY_ID) == (IDENTITY_ID,)
