"""Properties that hold for any input."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.asgi_calls import SentResponse
from support.clock import NOW
from support.guard_bench import parser_of, settings_of
from support.scripted_kratos import APP, KratosRequest, KratosResponse, ScriptedKratos, refused, signed_in

from ory_guard import (
    Anonymous,
    Authenticated,
    OryGuard,
    OrySessionMiddleware,
    Rejected,
    SecondFactorRequired,
    Unavailable,
)
from ory_guard.guard.responses.redirects import safe_return_to
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.models.credential import Credential

from .bench import ALICE, BOB, Pair, call, request, session, socket

AUTH: Final = "https://auth.example.com"
SETTINGS: Final = settings_of(
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
)


_TRUSTED_BY_OTHER_SYSTEMS: Final = """
    accept connection forwarded host hx-current-url hx-request origin proxy-authorization referer remote-user
    sec-fetch-site sec-purpose session-token user-agent x-access-token x-api-key x-auth-request-user x-auth-token
    x-authenticated-userid x-consumer-id x-forwarded-access-token x-forwarded-client-cert x-forwarded-host
    x-forwarded-proto x-forwarded-user x-goog-iap-jwt-assertion x-http-method-override x-id-token x-jwt-assertion
    x-kratos-authenticated-identity-id x-middleware-subrequest x-ms-client-principal x-original-url x-ory-session
    x-real-ip x-remote-user x-rewrite-url x-session x-skip-auth x-ssl-client-verify x-user x-user-id x_session_token
"""


def _examples(number: int) -> settings:
    return settings(
        max_examples=number,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


_pieces = st.lists(st.one_of(st.sampled_from(_WORDS), st.binary(max_size=6)), max_size=6).map(b"".join)
_other_names = st.one_of(
    st.sampled_from([name.encode() for name in _TRUSTED_BY_OTHER_SYSTEMS.split()]),
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


class _InMemory(ScriptedKratos):
    """A Kratos with Alice and Bob."""

    def __init__(self) -> None:
        super().__init__(self._respond)

    def _respond(self, asked: KratosRequest) -> KratosResponse:
        value = asked.credentials()[0][1].rpartition(" ")[2].rpartition("=")[2]
        identity_id = {"tok-A": ALICE, "ck-A": ALICE, "tok-B": BOB}.get(value)
        return refused() if identity_id is None else signed_in(session(identity_id))


@pytest.fixture
def run() -> Iterator[Any]:
    """Return a function that runs a coroutine in the event loop of the test."""
    with asyncio.Runner() as runner:
        yield runner.run


def _guard() -> tuple[OryGuard, _InMemory]:
    kratos = _InMemory()
    return OryGuard(SETTINGS, transport=kratos), kratos


@_examples(150)
@given(
    headers=_other_headers,
    path=_paths.filter(lambda path: path != "/health"),
    method=st.sampled_from(["GET", "POST", "OPTIONS", "TRACE", "PURGE", ""]),
    query_string=st.binary(max_size=40),
    root_path=st.sampled_from(["", "/", "/base", "/health"]),
    websocket=st.booleans(),
)
def test_only_the_credential_decides_about_the_user(
    run: Any, headers: list[Pair], *, websocket: bool, **parts: Any
) -> None:
    """Without a credential the outcome is anonymous and Kratos is not called; with one it is always its user."""
    guard, kratos = _guard()
    make = socket if websocket else request

    assert run(guard.authenticate(make(*headers, **parts))) == Anonymous()
    assert kratos.requests == []
    outcome = run(guard.authenticate(make(*headers, (b"x-session-token", b"tok-A"), **parts)))
    assert isinstance(outcome, Authenticated)
    assert outcome.session.identity.id == ALICE
    assert [sent.credentials() for sent in kratos.requests] == [[("x-session-token", "tok-A")]]


@_examples(150)
@given(headers=_any_headers)
def test_kratos_receives_at_most_one_credential(run: Any, headers: list[tuple[bytes, bytes]]) -> None:
    guard, kratos = _guard()
    outcome = run(guard.authenticate(request(*headers)))

    sent = [each.credentials() for each in kratos.requests]
    assert all(len(pairs) == 1 for pairs in sent)
    assert len(sent) <= 1
    if isinstance(outcome, Authenticated):
        assert outcome.session.identity.id == (BOB if sent[0][0][1].endswith("tok-B") else ALICE)


def _assert_location_is_configured(response: SentResponse) -> None:
    for value in response.all(b"location") + response.all(b"hx-redirect"):
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
    query_string=st.binary(max_size=60),
    root_path=st.one_of(st.sampled_from(["", "/", "/base", "/health", "base"]), st.text(max_size=8)),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    htmx=st.booleans(),
)
def test_location_has_a_configured_origin(
    run: Any, *, headers: list[Pair], raw_path: bytes | None, htmx: bool, **parts: Any
) -> None:
    """No part of a request changes the login URL or the origin of the return URL."""
    guard, _ = _guard()
    kind = (b"hx-request", b"true") if htmx else (b"sec-fetch-mode", b"navigate")
    if raw_path is not None:
        parts["raw_path"] = raw_path
    sent = request(*(pair for pair in headers if pair[0] != kind[0]), kind, **parts)

    async def endpoint(scope: Any, _receive: Any, _send: Any) -> None:
        await guard.require(scope)

    response = run(call(OrySessionMiddleware(endpoint, guard=guard), sent))
    assert response.status in (303, 401)
    _assert_location_is_configured(response)


_URL_PARTS: Final = (
    *("https:", "http:", "//", "/", "\\", "app.example.com", "other.example.com", "evil.com", "@", ":443", ".."),
    *("%2f", "%5c", "%00", "\t", "\n", " ", "?", "#", "&", "javascript:", "\u3002", "[", "]", "\ud800"),
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


_header_names = st.sampled_from((b"content-type", b"content-encoding", b"ory-session-cache-for", b"retry-after"))
_header_values = st.one_of(
    st.binary(max_size=12), st.sampled_from((b"application/json", b"identity", b"9", b"text/html"))
)


@_examples(400)
@given(
    changes=st.dictionaries(st.sampled_from(_FIELDS), _json, max_size=2),
    identity=st.one_of(
        st.none(), st.dictionaries(st.sampled_from((*session()["identity"], "metadata_public")), _json)
    ),
    status=st.sampled_from([200, 200, 200, 401, 403, 429, 500, 204, 302]),
    headers=st.lists(st.tuples(_header_names, _header_values), max_size=3),
)
def test_parsing_a_response_never_raises(
    *, changes: dict[str, Any], identity: dict[str, Any] | None, status: int, headers: list[Pair]
) -> None:
    """A session needs all strict fields, and no lifetime is longer than the settings allow."""
    document = session() | changes
    if identity is not None:
        document["identity"] = {**session()["identity"], **identity}
    body = json.dumps(document).encode()
    credential = Credential("cookie", b"ory_kratos_session", b"ck-A")
    now = NOW.timestamp()
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
