"""Request bodies that the recordings of v26.2.0 leave out: multipart forms, long values, concurrent requests."""

from typing import Any

import pyotp

from ory_guard.testing.store.records import Identity

PASSWORD = "correct-horse-battery-9"

_USER = "u1-5d354688@example.test"


def body_of(name: str, headers: dict[str, str], body: Any) -> Any:
    """Return the body of a recorded request, or the one that its name and its response describe."""
    if name in _BODIES:
        return _BODIES[name]
    if body is None and "multipart" in headers.get("content-type", ""):
        return _multipart(headers["content-type"].partition("boundary=")[2])
    return _CONCURRENT.get(name, _CONCURRENT.get(name.rpartition(".")[0], body))


def _multipart(boundary: str) -> bytes:
    fields = {"method": "password", "identifier": _USER, "password": PASSWORD}
    parts = [
        f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    return "".join([*parts, f"--{boundary}--\r\n"]).encode()


def _registration(email: str, password: str = PASSWORD, **name: str) -> dict[str, Any]:
    return {
        "method": "password",
        "password": password,
        "traits": {"email": email, **({"name": name} if name else {})},
    }


def _login(identifier: str, password: str = PASSWORD) -> dict[str, str]:
    return {"method": "password", "identifier": identifier, "password": password}


_BODIES: dict[str, Any] = {
    "big.registration_100k_name": _registration("big1@example.test", first="x" * 100_000),
    "big.registration_2M": _registration("big2@example.test", first="x" * 2_000_000),
    "big.login_password_100k": _login("u22-5d354688@example.test", "p" * 100_000),
    "big.login_identifier_10k": _login("i" * 10_000 + "@example.test"),
}

_CONCURRENT: dict[str, Any] = {
    "concurrent.native_login_same_flow": _login("u50-5d354688@example.test"),
    "concurrent.registration_same_flow": _registration("race51-5d354688@example.test"),
    "concurrent.registration_other_flows": _registration("race52-5d354688@example.test"),
    "concurrent.recovery_code": {"method": "code", "code": "123456"},
    "concurrent.native_logout": {"session_token": "ory_st_concurrentconcurrentconcurrentco"},
    **{
        f"concurrent.settings_profile.{index}": {
            "method": "profile",
            "traits": {"email": "u50-5d354688@example.test", "name": {"first": first}},
        }
        for index, first in enumerate("3123")
    },
}

# URLs that the recordings truncate.
URLS = {
    "big.return_to_20k": (
        f"http://127.0.0.1:44131/self-service/login/browser?return_to=http://127.0.0.1:4455/{'a' * 20_000}"
    ),
}

# The user of the sessions of a case or a family, if no response names the user.
USERS = {
    "refresh.bad_value": "u16-5d354688@example.test",
    "refresh.native_ok": "u16-5d354688@example.test",
    "multi.settings.token_of_other": "u5-5d354688@example.test",
    "aal": "u15-5d354688@example.test",
    "refresh": "u16-5d354688@example.test",
    "mix": "u18-5d354688@example.test",
    "concurrent": "u50-5d354688@example.test",
    "settings": "u10-5d354688@example.test",
    "vtries": "u1-61273e98@example.test",
    "rtries": "u3-61273e98@example.test",
    "codemfa": "u2-b1d38d1b@example.test",
    "privileged": "u5-7a441da2@example.test",
    "dblock": "u1-863da794@example.test",
}

# The seconds between the creation of a flow or session and the request: of a case, or of all cases of a family.
FLOW_AGES = {"expired": 3.1}
SESSION_AGES = {"privileged": 2.5, "lifespan.whoami_cookie_expired": 21.0}
# The seconds before a request.
PAUSES = {"lifespan.whoami_token_expired": 21.0}

# The requests during which another process held the database.
LOCKED = {
    "refresh.native_ok",
    "dblock.whoami.token",
    "dblock.whoami.cookie",
    "dblock.whoami.none",
    "dblock./self-service/login/api",
    "dblock./self-service/login/browser",
    "dblock./health/ready",
}


def enroll(identity: Identity) -> None:
    """Enroll the second factors of a recorded user."""
    email = identity.traits["email"]
    if email.startswith(("u14-5d354688", "u15-5d354688")):
        identity.credentials.totp_secret = pyotp.random_base32(32)
    if email.startswith("u14-5d354688"):
        identity.credentials.lookup_codes |= dict.fromkeys(
            ["0klr62j8", *(f"backup{n:02}" for n in range(11))], False
        )
