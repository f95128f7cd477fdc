"""The in-memory records of the fake: identities, sessions, flows, errors and messages."""

import secrets
import string
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ory_guard.testing.store.webauthn_credentials import WebAuthnCredentials

__all__ = [
    "Address",
    "CourierMessage",
    "Credentials",
    "FakeAuthenticationMethod",
    "FakeDevice",
    "Identity",
    "Session",
    "Store",
    "new_id",
    "random_string",
]

ALPHANUMERIC: Final = string.ascii_letters + string.digits
MAX_MESSAGES: Final = 1_000
MAX_ERRORS: Final = 1_000


def new_id() -> str:
    """Return a random UUID as a string."""
    return str(uuid.uuid4())


def random_string(length: int, alphabet: str = ALPHANUMERIC) -> str:
    """Return `length` random characters from `alphabet`."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


@dataclass(slots=True)
class Address:
    """A verifiable address or recovery address of an identity."""

    value: str
    via: str
    created_at: int
    id: str = field(default_factory=new_id)
    verified: bool = False
    verified_at: int | None = None
    status: str = "pending"
    updated_at: int = 0

    def __post_init__(self) -> None:
        self.updated_at = self.updated_at or self.created_at

    def mark_verified(self, now: int) -> None:
        """Mark the address as verified at `now`, in nanoseconds since 1970."""
        self.verified, self.verified_at = True, now


@dataclass(slots=True)
class Credentials:
    """The credentials of an identity. Only the fake itself reads them.

    `lookup_codes` holds each backup code and the second since 1970 in which it was used, or 0.
    """

    password: str | None = None
    totp_secret: str | None = None
    lookup_codes: dict[str, int] = field(default_factory=dict)
    oidc_subjects: dict[str, str] = field(default_factory=dict)
    webauthn: WebAuthnCredentials = field(default_factory=WebAuthnCredentials)
    passkey: WebAuthnCredentials = field(default_factory=WebAuthnCredentials)

    @property
    def second_factors(self) -> tuple[str, ...]:
        """The enrolled methods that provide aal2."""
        enrolled = {
            "totp": bool(self.totp_secret),
            "lookup_secret": bool(self.lookup_codes),
            "webauthn": bool(self.webauthn.usable(is_passwordless=False)),
        }
        return tuple(name for name, is_enrolled in enrolled.items() if is_enrolled)

    @property
    def first_factors(self) -> tuple[str, ...]:
        """The enrolled methods that provide aal1."""
        enrolled = {
            "password": self.password is not None,
            "oidc": bool(self.oidc_subjects),
            "webauthn": bool(self.webauthn.usable(is_passwordless=True)),
            "passkey": bool(self.passkey.keys),
        }
        return tuple(name for name, is_enrolled in enrolled.items() if is_enrolled)


@dataclass(slots=True, eq=False)
class Identity:
    """An identity. Times are in nanoseconds since 1970."""

    schema_id: str
    traits: dict[str, Any]
    created_at: int
    id: str = field(default_factory=new_id)
    state: Literal["active", "inactive"] = "active"
    state_changed_at: int | None = 0
    updated_at: int = 0
    verifiable_addresses: list[Address] = field(default_factory=list)
    recovery_addresses: list[Address] = field(default_factory=list)
    credentials: Credentials = field(default_factory=Credentials)
    metadata_public: Any = None
    metadata_admin: Any = None
    organization_id: str | None = None
    external_id: str | None = None

    def __post_init__(self) -> None:
        self.updated_at = self.updated_at or self.created_at
        self.state_changed_at = self.state_changed_at or self.created_at


@dataclass(slots=True)
class FakeAuthenticationMethod:
    """A completed authentication method of a session."""

    method: str
    aal: str
    completed_at: int
    provider: str | None = None


@dataclass(slots=True)
class FakeDevice:
    """A device that a session was used from."""

    ip_address: str
    user_agent: str
    id: str = field(default_factory=new_id)
    location: str = ""


@dataclass(slots=True, eq=False)
class Session:
    """A session. Clients present its token, or a cookie that contains the token."""

    identity: Identity
    issued_at: int
    authenticated_at: int
    expires_at: int
    methods: list[FakeAuthenticationMethod] = field(default_factory=list)
    devices: list[FakeDevice] = field(default_factory=list)
    id: str = field(default_factory=new_id)
    token: str = field(default_factory=lambda: f"ory_st_{random_string(32)}")
    logout_token: str = field(default_factory=lambda: f"ory_lo_{random_string(32)}")
    active: bool = True

    @property
    def aal(self) -> str:
        """The authenticator assurance level: aal2 if both a first and a second factor were completed."""
        return "aal2" if {method.aal for method in self.methods} >= {"aal1", "aal2"} else "aal1"

    def is_active(self, now: int) -> bool:
        """Return whether the session is valid: not revoked, not expired, and its identity active."""
        return self.active and now < self.expires_at and self.identity.state == "active"


@dataclass(slots=True)
class CourierMessage:
    """An email that the fake stored instead of sending it; `code` is the code or the link in it."""

    recipient: str
    template_type: str
    subject: str
    body: str
    created_at: int
    code: str
    id: str = field(default_factory=new_id)


class Store:
    """All records of one fake."""

    def __init__(self) -> None:
        self.identities: dict[str, Identity] = {}
        self.sessions: dict[str, Session] = {}
        self.sessions_by_token: dict[str, Session] = {}
        self.flows: dict[str, Any] = {}
        self.errors: dict[str, dict[str, Any]] = {}
        self.continuity_containers: dict[str, dict[str, Any]] = {}
        self.messages: deque[CourierMessage] = deque(maxlen=MAX_MESSAGES)

    def add_session(self, session: Session) -> Session:
        """Store a session and return it."""
        self.sessions[session.id] = session
        self.sessions_by_token[session.token] = session
        return session

    def delete_session(self, session: Session) -> None:
        """Delete a session."""
        self.sessions.pop(session.id, None)
        self.sessions_by_token.pop(session.token, None)

    def sessions_of(self, identity: Identity) -> list[Session]:
        """Return the sessions of an identity, newest first."""
        return [session for session in reversed(self.sessions.values()) if session.identity is identity]

    def add_error_record(self, error: dict[str, Any]) -> None:
        """Store an error for the error page; only the last 1,000 are kept."""
        while len(self.errors) >= MAX_ERRORS:
            self.errors.pop(next(iter(self.errors)))
        self.errors[error["id"]] = error
