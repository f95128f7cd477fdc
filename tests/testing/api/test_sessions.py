"""whoami and the list of sessions, beyond the recordings."""

from typing import Any

import pytest
from support.flow_client import FlowClient

from ory_guard.testing import FakeKratos, Identity, ManualClock

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("cause", ["revoked", "expired", "inactive identity", "deleted identity"])
async def test_whoami_rejects_ended_sessions(
    fake: FakeKratos, clock: ManualClock, app: FlowClient, ada: Identity, cause: str
) -> None:
    """An extension does not revive a session of an inactive or deleted identity."""
    session = fake.sign_in(ada, age=60)
    fake.extend(session.session)
    end: dict[str, Any] = {
        "revoked": lambda: fake.revoke(session.session),
        "expired": lambda: clock.advance(3600),
        "inactive identity": lambda: fake.set_state(ada, "inactive"),
        "deleted identity": lambda: fake.delete_identity(ada),
    }
    app.use(session)
    clock.advance(3590)
    before = await app.whoami()
    end[cause]()

    assert (before.status_code, (await app.whoami()).status_code) == (200, 401)


async def test_cache_lifetime_is_limited_by_the_session(
    fake: FakeKratos, clock: ManualClock, app: FlowClient, ada: Identity
) -> None:
    app.use(fake.sign_in(ada))
    clock.advance(3600 - 42)

    assert (await app.whoami()).headers["ory-session-cache-for"] == "42"


@pytest.mark.parametrize(
    ("methods", "aal"), [(("totp",), "aal1"), (("code_recovery", "totp"), "aal2")], ids=["one", "two"]
)
async def test_aal2_requires_both_factors(
    fake: FakeKratos, app: FlowClient, ada: Identity, methods: tuple[str, ...], aal: str
) -> None:
    app.use(fake.sign_in(ada, methods=methods))

    assert (await app.whoami()).json()["authenticator_assurance_level"] == aal


@pytest.mark.parametrize(
    ("query", "count", "rels"),
    [
        ({"per_page": "2", "page": "2"}, 1, ["first", "prev"]),
        ({"page_token": "AAAA"}, 3, ["first"]),
        ({"page": "99999999"}, 0, ["first"]),
    ],
    ids=str,
)
async def test_other_sessions_are_paginated(
    fake: FakeKratos, app: FlowClient, query: dict[str, str], count: int, rels: list[str]
) -> None:
    """Malformed page numbers and tokens select the defaults."""
    identity = fake.add_identity()
    for _ in range(3):
        fake.sign_in(identity)
    app.use(fake.sign_in(identity))
    response = await app.get("/sessions", **query)

    assert len(response.json()) == count
    assert [part.split('rel="')[1].strip('"') for part in response.headers["link"].split(",<")] == rels


async def test_links_of_sessions_keep_other_parameters(fake: FakeKratos, app: FlowClient, ada: Identity) -> None:
    app.use(fake.sign_in(ada))
    response = await app.get("/sessions", active="true", page_token="WyJhIl0")

    assert response.headers["link"].startswith("</sessions?active=true&page=0&page_size=")


async def test_session_is_named_by_its_id(fake: FakeKratos, app: FlowClient) -> None:
    """DELETE of whoami returns the session and does not end it."""
    anonymous = await app.client.delete("/sessions/nope")
    signed_in = fake.sign_in(fake.add_identity())
    app.use(signed_in)
    malformed = await app.client.delete("/sessions/nope")
    whoami = await app.client.delete("/sessions/whoami")

    assert (anonymous.status_code, malformed.status_code) == (401, 400)
    assert malformed.json()["error"]["message"] == 'uuid: incorrect UUID length 4 in string "nope"'
    assert (whoami.json()["id"], signed_in.session.active) == (signed_in.session.id, True)
