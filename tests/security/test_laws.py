"""Properties that hold for any input."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.guard_bench import parser_of

from ory_guard import (
    Anonymous,
    Authenticated,
    GuardSettings,
    OryGuard,
    OrySessionMiddleware,
    Rejected,
    SecondFactorRequired,
    Unavailable,
)
from ory_guard.guard.credentials import CredentialExtractor
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.kratos.http import HTTPResponse
from ory_guard.models.credential import Credential, InvalidCredential

from .harness import Reply, Request, call
from .users import ALICE, BOB, session

APP: Final = "https://app.example.com"
AUTH: Final = "https://auth.example.com"
SETTINGS: Final = GuardSettings(
    kratos_public_url="http://127.0.0.1:4433",
    kratos_browser_url=AUTH,
    app_url=f"{APP}/base",
    cookie_names=("ory_kratos_session", "ory_session_*"),
    trusted_origins=("https://other.example.com",),
    exempt_paths=("/health",),
)
_CREDENTIALS: Final = (b"x-session-token", b"cookie", b"authorization")
_WORDS: Final = (
    b"Bearer",
    b"bearer ",
    b"ory_kratos_session=",
    b"ory_session_x=",
    b"; ",
    b"ck-A",
    b"tok-A",
    b"=",
    b'"',
    b"\\",
)


def _examples(number: int) -> settings:
    return settings(
        max_examples=number,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


_pieces = st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=6)), max_size=6).map(b"".join)
_other_names = st.one_of(
    st.sampled_from((b"host", b"x-forwarded-host", b"forwarded", b"x-user", b"sec-fetch-site", b"x-original-url")),
    st.sampled_from((b"x_session_token", b"referer", b"origin", b"sec-purpose", b"hx-request", b"hx-current-url")),
    st.sampled_from((b"accept", b"user-agent", b"x-http-method-override", b"connection", b"proxy-authorization")),
    st.binary(min_size=1, max_size=12).map(bytes.lower),
).filter(lambda name: name not in _CREDENTIALS)
_other_headers = st.lists(st.tuples(_other_names, _pieces), max_size=6)
_any_headers = st.lists(st.tuples(st.one_of(st.sampled_from(_CREDENTIALS), _other_names), _pieces), max_size=6)
_paths = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(["/", "//", "..", ".", "%2f", "\\", "@", "evil.com", ":", "?", "#", "\n", "health"]))
    .map("".join)
    .map("/".__add__),
)


class _InMemory(httpx2.AsyncBaseTransport):
    """A Kratos with Alice and Bob that records the credential headers of each request."""

    def __init__(self) -> None:
        self.sent: list[list[tuple[bytes, bytes]]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        pairs = [(name.lower(), value) for name, value in request.headers.raw if name.lower() in _CREDENTIALS]
        self.sent.append(pairs)
        value = pairs[0][1].rpartition(b" ")[2].rpartition(b"=")[2]
        identity_id = {b"tok-A": ALICE, b"ck-A": ALICE, b"tok-B": BOB}.get(value)
        if identity_id is None:
            return httpx2.Response(401, json={"error": {"code": 401}})
        return httpx2.Response(200, json=session(identity_id))


@pytest.fixture
def run() -> Any:
    """Return a function that runs a coroutine in the event loop of the test."""
    with asyncio.Runner() as runner:
        yield runner.run


def _guard() -> tuple[OryGuard, _InMemory]:
    transport = _InMemory()
    return OryGuard(SETTINGS, transport=transport), transport


@_examples(150)
@given(headers=_any_headers)
def test_extracting_a_credential_never_raises(headers: list[tuple[bytes, bytes]]) -> None:
    """Each result is a value from the headers that can be forwarded."""
    credentials = CredentialExtractor(SETTINGS).extract_all(headers)

    for credential in () if isinstance(credentials, InvalidCredential) else credentials:
        assert any(credential.value in value for name, value in headers if name in _CREDENTIALS)
        name, value = credential.header()
        assert all(0x20 <= octet < 0x7F for octet in value)
        assert value.count(b" ") == (name == b"Authorization")
        assert b";" not in value or name != b"Cookie"


@_examples(150)
@given(
    headers=_other_headers,
    path=_paths.filter(lambda path: path != "/health"),
    method=st.sampled_from(["GET", "POST", "OPTIONS", "TRACE", "PURGE", ""]),
    query=st.binary(max_size=40),
    root_path=st.sampled_from(["", "/", "/base", "/health"]),
    websocket=st.booleans(),
)
def test_only_the_credential_decides_about_the_user(
    run: Any, headers: list[tuple[bytes, bytes]], **request: Any
) -> None:
    """Without a credential the outcome is anonymous and Kratos is not called; with one it is always its user."""
    guard, kratos = _guard()
    without = Request(tuple(headers), **request)
    with_alice = Request((*headers, (b"x-session-token", b"tok-A")), **request)

    assert run(guard.authenticate(without.scope())) == Anonymous()
    assert kratos.sent == []
    outcome = run(guard.authenticate(with_alice.scope()))
    assert isinstance(outcome, Authenticated)
    assert outcome.session.identity.id == ALICE
    assert kratos.sent == [[(b"x-session-token", b"tok-A")]]


@_examples(150)
@given(headers=_any_headers)
def test_kratos_receives_at_most_one_credential(run: Any, headers: list[tuple[bytes, bytes]]) -> None:
    guard, kratos = _guard()
    outcome = run(guard.authenticate(Request(tuple(headers)).scope()))

    assert all(len(pairs) == 1 for pairs in kratos.sent)
    assert len(kratos.sent) <= 1
    if isinstance(outcome, Authenticated):
        assert outcome.session.identity.id == (BOB if kratos.sent[0][0][1].endswith(b"tok-B") else ALICE)


def _assert_location_is_configured(reply: Reply) -> None:
    for value in reply.all(b"location") + reply.all(b"hx-redirect"):
        location = value.decode("ascii")
        assert all("!" <= character <= "~" for character in location)
        assert len(location) < 8_192
        assert location.startswith(f"{AUTH}/self-service/login/browser?")
        query = parse_qs(urlsplit(location).query, strict_parsing=True)
        assert query.keys() == {"return_to"}
        (return_to,) = query["return_to"]
        assert return_to == f"{APP}/base" or return_to.startswith(f"{APP}/base/")


@_examples(150)
@given(
    headers=_other_headers,
    path=_paths,
    raw_path=st.one_of(st.none(), st.binary(max_size=30)),
    query=st.binary(max_size=60),
    root_path=st.one_of(st.sampled_from(["", "/", "/base", "/health", "base"]), st.text(max_size=8)),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    htmx=st.booleans(),
)
def test_location_has_a_configured_origin(
    run: Any, *, headers: list[tuple[bytes, bytes]], htmx: bool, **request: Any
) -> None:
    """No part of a request changes the login URL or the origin of the return URL."""
    guard, _ = _guard()
    kind = (b"hx-request", b"true") if htmx else (b"sec-fetch-mode", b"navigate")
    sent = Request((*(pair for pair in headers if pair[0] != kind[0]), kind), **request)

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await guard.require(scope)

    reply = run(call(OrySessionMiddleware(endpoint, guard=guard), sent))
    assert reply.status in (303, 401)
    _assert_location_is_configured(reply)


_URL_PARTS: Final = (
    *("https:", "http:", "//", "/", "\\", "app.example.com", "other.example.com", "evil.com", "@", ":443", ".."),
    *(
        "%2f",
        "%5c",
        "%00",
        "\t",
        "\n",
        " ",
        "?",
        "#",
        "&",
        "javascript:",
        "\u3002",
        "[",
        "]",
        "self-service/",
        "\ud800",
    ),
)
_any_character = st.characters(exclude_categories=())  # with lone surrogates
_return_tos = st.one_of(
    st.text(_any_character, max_size=60),
    st.text(_any_character, max_size=8).map("/".__add__),
    st.lists(st.sampled_from(_URL_PARTS), max_size=8).map("".join),
)


def _origin_in_browser(url: str) -> str:
    """Return the origin that a browser opens: it removes tabs and line breaks, and reads a backslash as a slash."""
    cleaned = url.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None, 92: 47})
    scheme, _, rest = cleaned.partition(":")
    authority = rest.lstrip("/").partition("/")[0].partition("?")[0].partition("#")[0]
    return f"{scheme.lower()}://{authority.rpartition('@')[2].lower()}"


@_examples(600)
@given(value=_return_tos)
def test_safe_return_url_has_a_configured_origin(value: str) -> None:
    """Applying the function twice changes nothing."""
    url = safe_return_to(value, SETTINGS)

    assert _origin_in_browser(url) in (APP, "https://other.example.com")
    assert all("!" <= character <= "~" and character != "\\" for character in url)
    assert safe_return_to(url, SETTINGS) == url


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(("id", "active", "error", "code", "traits", "aal", "verified")), inner, max_size=4
        ),
    ),
    max_leaves=8,
)
_FIELDS: Final = (*session(), "tokenized", "new")


@_examples(400)
@given(
    changes=st.dictionaries(st.sampled_from(_FIELDS), _json, max_size=2),
    identity=st.one_of(
        st.none(), st.dictionaries(st.sampled_from((*session()["identity"], "metadata_public")), _json)
    ),
    status=st.sampled_from([200, 200, 200, 401, 403, 429, 500, 204, 302]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                (b"content-type", b"content-encoding", b"ory-session-cache-for", b"set-cookie", b"retry-after")
            ),
            st.one_of(
                st.binary(max_size=12), st.sampled_from((b"application/json", b"identity", b"9", b"text/html"))
            ),
        ),
        max_size=3,
    ),
)
def test_parsing_a_response_never_raises(
    *,
    changes: dict[str, Any],
    identity: dict[str, Any] | None,
    status: int,
    headers: list[tuple[bytes, bytes]],
) -> None:
    """A session needs all strict fields, and no lifetime is longer than the settings allow."""
    document = session() | changes
    if identity is not None:
        document["identity"] = {**session()["identity"], **identity}
    body = json.dumps(document).encode()
    credential = Credential("cookie", b"ory_kratos_session", b"ck-A")
    now = datetime.now(UTC).timestamp()
    reading = parser_of(SETTINGS, None).parse(
        HTTPResponse(status, [*headers, (b"content-type", b"application/json")], body), credential, now
    )

    outcome = reading.outcome
    assert isinstance(outcome, Authenticated | Rejected | SecondFactorRequired | Unavailable)
    assert reading.ttl <= (SETTINGS.cache_ttl if isinstance(outcome, Authenticated) else SETTINGS.negative_ttl)
    if isinstance(outcome, Authenticated):
        assert status == 200
        assert document["active"] is True
        assert isinstance(document["id"], str)
        assert isinstance(document["identity"]["id"], str)
        assert outcome.session.expires_at.timestamp() >= now - SETTINGS.clock_skew
        assert hash(repr(outcome)) is not None
    if isinstance(outcome, Unavailable):
        assert 1 <= outcome.retry_after <= 60


@_examples(150)
@given(
    status=st.integers(0, 999), headers=st.lists(st.tuples(_other_names, st.binary(max_size=20))), body=st.binary()
)
def test_parsing_arbitrary_bytes_returns_an_outcome(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    """It is never a session."""
    credential = Credential("x_session_token", b"", b"tok-A")
    for kind in ([], [(b"content-type", b"application/json")]):
        reading = parser_of(SETTINGS, None).parse(HTTPResponse(status, [*headers, *kind], body), credential, 0.0)
        assert not isinstance(reading.outcome, Authenticated)
