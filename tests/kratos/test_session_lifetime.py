"""How long a session may be kept."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from support.adapters import parser_of

from ory_guard import GuardSettings
from ory_guard.kratos.http import HTTPResponse
from ory_guard.models.credential import Credential

NOW = 1_795_300_785.0
TOKEN = Credential("x_session_token", b"", b"ory_st_a")


def ttl_of(answer: HTTPResponse, draw: float) -> float:
    """Return the ttl that the reader gives when its source of chance draws this number."""
    settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", credentials=("x_session_token",))
    return parser_of(settings, None, lambda: draw).parse(answer, TOKEN, NOW).ttl


def answer(*headers: tuple[bytes, bytes], expires_in: float = 3_600, status: int = 200) -> HTTPResponse:
    """Return whoami's answer with a session that ends in so many seconds, or with a refusal."""
    expires_at = datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=expires_in)
    session = {"id": "s", "active": True, "expires_at": expires_at.isoformat(), "identity": {"id": "i"}}
    body = session if status == 200 else {"error": {"code": status}}
    return HTTPResponse(status, [(b"content-type", b"application/json"), *headers], json.dumps(body).encode())


@pytest.mark.parametrize(
    ("draw", "expected"), [(0.0, 30.0), (0.5, 29.25), (1.0, 28.5)], ids=["least", "middle", "most"]
)
def test_a_session_ends_a_little_earlier_than_the_ttl_by_chance(draw: float, expected: float) -> None:
    """A session's ttl is shortened by chance, by 5 % at most."""
    assert ttl_of(answer(), draw) == pytest.approx(expected)


@pytest.mark.parametrize("expires_in", [3_600.0, 10.0])
def test_the_spread_never_lengthens_what_kratos_allows(expires_in: float) -> None:
    """What Kratos allows, by its header or by the session's end, is an upper bound."""
    allowed = answer((b"ory-session-cache-for", b"20"), expires_in=expires_in)

    assert ttl_of(allowed, 0.0) == pytest.approx(min(20.0, expires_in))
    assert ttl_of(allowed, 1.0) == pytest.approx(0.95 * min(20.0, expires_in))


def test_a_refusal_is_kept_for_its_whole_ttl() -> None:
    """Chance touches sessions only: a refusal is kept for `negative_ttl`."""
    assert ttl_of(answer(status=401), 1.0) == 5.0


def test_by_default_chance_decides() -> None:
    """Without a source of one's own, two readings get different ttls within the 5 %."""
    settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", credentials=("x_session_token",))
    reader = parser_of(settings, None)

    ttls = {reader.parse(answer(), TOKEN, NOW).ttl for _ in range(20)}

    assert len(ttls) > 1
    assert all(28.5 < ttl <= 30.0 for ttl in ttls)
