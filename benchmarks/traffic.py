"""Requests as sent by browsers and API clients, and the session that Kratos returns."""

import json
import re
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

__all__ = [
    "COOKIE",
    "FORWARD_AUTH_SECRET",
    "TOKEN",
    "Headers",
    "api_headers",
    "browser_headers",
    "forwarded_headers",
    "http_scope",
    "whoami_bodies",
    "whoami_body",
]

Headers = list[tuple[bytes, bytes]]

TOKEN: Final = b"ory_st_ivZW9aFsL0lU9MavgfaxGEjqklcAozIZ"
COOKIE: Final = b"MTc5NTMwMDc4M3x" + b"kVzRhS2JfQ2ptTnZ4VGhfUXBZ" * 16 + b"fLk2Zz9vQ0tYb3J2"
FORWARD_AUTH_SECRET: Final = "5e1f0c1e2f0b4d0e9a550f6d8d1c7a01"

_FRACTION: Final = re.compile(rb"(?<=\.)\d+(?=Z)")
_RECORDINGS: Final = Path(__file__).parent.parent / "tests" / "recordings"
_USER_AGENT: Final = (
    b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0 Safari/537"
)


def api_headers(token: bytes | None = TOKEN) -> Headers:
    """Return the headers of an API client, ten of them with a token."""
    headers = [
        (b"host", b"app.example.test"),
        (b"user-agent", b"acme-mobile/4.2 (iOS 19.1; iPhone17,2)"),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"accept-language", b"de-AT,de;q=0.9,en;q=0.8"),
        (b"connection", b"keep-alive"),
        (b"x-request-id", b"0f4e6a52-6c0e-4f0e-9d7b-8c1f5f0b6a11"),
        (b"x-forwarded-for", b"203.0.113.7"),
        (b"x-forwarded-proto", b"https"),
    ]
    return headers if token is None else [*headers, (b"x-session-token", token)]


def browser_headers(session: bytes = COOKIE) -> Headers:
    """Return the headers of a browser's fetch, with the session cookie between two others."""
    cookies = b"theme=dark; ory_kratos_session=" + session + b"; _ga=GA1.1.1234567890.1700000000"
    return [
        (b"host", b"app.example.test"),
        (b"connection", b"keep-alive"),
        (b"user-agent", _USER_AGENT),
        (b"accept", b"application/json"),
        (b"sec-fetch-site", b"same-origin"),
        (b"sec-fetch-mode", b"cors"),
        (b"sec-fetch-dest", b"empty"),
        (b"referer", b"https://app.example.test/"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
        (b"accept-language", b"de-AT,de;q=0.9,en;q=0.8"),
        (b"cookie", cookies),
    ]


def forwarded_headers() -> Headers:
    """Return the headers of a sub-request of a reverse proxy for a browser's fetch."""
    return [
        *browser_headers(),
        (b"x-forwarded-method", b"GET"),
        (b"x-forwarded-uri", b"/me?page=2"),
        (b"x-forwarded-host", b"app.example.test"),
        (b"x-forwarded-proto", b"https"),
        (b"x-ory-guard-secret", FORWARD_AUTH_SECRET.encode()),
    ]


def http_scope(headers: Headers, path: str) -> MutableMapping[str, Any]:
    """Return a new scope with the keys that uvicorn sets."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": list(headers),
        "state": {},
    }


def whoami_body(*, aal: str = "aal1") -> bytes:
    """Return a recorded session, about 1.3 KB of JSON, with current times."""
    with (_RECORDINGS / "whoami.jsonl").open(encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    recorded = next(each for each in exchanges if each["case"] == "whoami.x_session_token")
    session = recorded["response"]["body"]
    now = datetime.now(UTC)
    session["expires_at"] = _rfc3339(now + timedelta(hours=24))
    session["authenticated_at"] = session["issued_at"] = _rfc3339(now)
    session["authentication_methods"][0]["completed_at"] = _rfc3339(now)
    session["authenticator_assurance_level"] = aal
    if aal == "aal2":
        session["authentication_methods"].append({"method": "totp", "aal": aal, "completed_at": _rfc3339(now)})
    return json.dumps(session, separators=(",", ":")).encode()


def whoami_bodies() -> Callable[[bytes], bytes]:
    """Return a function that returns a different session for each credential, of the size of the recorded one.

    IDs, times, email address, device and user agent differ, because a parser would share equal strings.
    """
    recorded = whoami_body()
    session = json.loads(recorded)
    identity, device = session["identity"], session["devices"][0]
    addresses = [*identity["verifiable_addresses"], *identity["recovery_addresses"]]
    ids = [each["id"].encode() for each in (session, identity, device, *addresses)]
    texts = [identity["traits"]["email"].partition("@")[0], device["ip_address"], device["user_agent"]]
    texts = [each.encode() for each in texts]

    def body(credential: bytes) -> bytes:
        chance = Random(credential)
        own = recorded
        for each in ids:
            own = own.replace(each, str(UUID(int=chance.getrandbits(128), version=4)).encode())
        for each in texts:
            own = own.replace(each, b"%0*x" % (len(each), chance.getrandbits(4 * len(each))))
        return _FRACTION.sub(lambda match: b"%0*d" % (len(match[0]), chance.randrange(10 ** len(match[0]))), own)

    return body


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "711Z"
