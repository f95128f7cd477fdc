"""Alice and Bob, the two users of the security tests."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from support.raw_kratos import RawKratos, raw_response

__all__ = ["ALICE", "BOB", "kratos_with_users", "session"]

ALICE: Final = "5c2d6a3e-0000-4000-8000-00000000a11c"
BOB: Final = "5c2d6a3e-0000-4000-8000-000000000b0b"
_SESSIONS: Final = {ALICE: "77d1c4b0-0000-4000-8000-00000000a11c", BOB: "77d1c4b0-0000-4000-8000-000000000b0b"}


def session(identity_id: str = ALICE, **changes: Any) -> dict[str, Any]:
    """Return a whoami document that ends in an hour; `changes` replace its keys, `...` removes one."""
    now = datetime.now(UTC)
    document: dict[str, Any] = {
        "id": _SESSIONS.get(identity_id, f"77d1c4b0-{identity_id[9:]}"),
        "active": True,
        "expires_at": (now + timedelta(hours=1)).isoformat(),
        "authenticated_at": now.isoformat(),
        "authenticator_assurance_level": "aal1",
        "authentication_methods": [{"method": "password", "aal": "aal1", "completed_at": now.isoformat()}],
        "issued_at": now.isoformat(),
        "identity": {"id": identity_id, "schema_id": "default", "state": "active", "traits": {"email": "a@x.test"}},
        "devices": [],
    }
    return {key: value for key, value in {**document, **changes}.items() if value is not ...}


def kratos_with_users(host: str = "127.0.0.1", port: int = 0) -> RawKratos:
    """Return a Kratos at which Alice and Bob are logged in, each with a token and a cookie."""
    responses = {
        b"ck-A": raw_response(session(ALICE)),
        b"tok-A": raw_response(session(ALICE)),
        b"ck-B": raw_response(session(BOB)),
        b"tok-B": raw_response(session(BOB)),
    }
    return RawKratos(responses=responses, host=host, port=port)
