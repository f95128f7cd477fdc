"""Parts of requests that the recordings of v26.2.0 leave out: multipart forms, long values, users and pauses."""

import json
from pathlib import Path
from typing import Any

import pyotp

from ory_guard.testing.store.records import Identity

RELEASE = Path(__file__).parent.parent / "recordings" / "v26.2.0"
PASSWORD = "correct-horse-battery-9"

_SETUP: dict[str, Any] = json.loads((RELEASE / "setup.json").read_text(encoding="utf-8"))
# The user of the sessions of a case or a family, if no response names the user.
USERS: dict[str, str] = _SETUP["users"]
# The seconds between the creation of a flow or session and the request: of a case, or of all cases of a family.
FLOW_AGES: dict[str, float] = _SETUP["flow_ages"]
SESSION_AGES: dict[str, float] = _SETUP["session_ages"]
# The seconds before a request.
PAUSES: dict[str, float] = _SETUP["pauses"]
# The requests during which another process held the database.
LOCKED = frozenset(_SETUP["locked"])
# URLs that the recordings truncate.
URLS = {
    "big.return_to_20k": (
        f"http://127.0.0.1:44131/self-service/login/browser?return_to=http://127.0.0.1:4455/{'a' * 20_000}"
    ),
}


def body_of(name: str, headers: dict[str, str], body: Any) -> Any:
    """Return the body of a recorded request, or the one that its name and its response describe."""
    if name in _LONG_BODIES:
        return _LONG_BODIES[name]
    if body is None and "multipart" in headers.get("content-type", ""):
        return _multipart(headers["content-type"].partition("boundary=")[2])
    bodies = _SETUP["bodies"]
    return bodies.get(name, bodies.get(name.rpartition(".")[0], body))


def _multipart(boundary: str) -> bytes:
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in _login("u1-5d354688@example.test").items()
    ]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()


def _registration(email: str, name: str) -> dict[str, Any]:
    return {"method": "password", "password": PASSWORD, "traits": {"email": email, "name": {"first": name}}}


def _login(identifier: str, password: str = PASSWORD) -> dict[str, str]:
    return {"method": "password", "identifier": identifier, "password": password}


_LONG_BODIES: dict[str, Any] = {
    "big.registration_100k_name": _registration("big1@example.test", "x" * 100_000),
    "big.registration_2M": _registration("big2@example.test", "x" * 2_000_000),
    "big.login_password_100k": _login("u22-5d354688@example.test", "p" * 100_000),
    "big.login_identifier_10k": _login("i" * 10_000 + "@example.test"),
}


def enroll(identity: Identity) -> None:
    """Enroll the second factors of a recorded user."""
    email = identity.traits["email"]
    if email.startswith(("u14-5d354688", "u15-5d354688")):
        identity.credentials.totp_secret = pyotp.random_base32(32)
    if email.startswith("u14-5d354688"):
        codes = ["0klr62j8", *(f"backup{n:02}" for n in range(11))]
        identity.credentials.lookup_codes |= dict.fromkeys(codes, False)
