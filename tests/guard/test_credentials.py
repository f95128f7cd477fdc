"""Extraction of the credential from raw headers, and cache keys."""

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard_bench import Pair, settings_of

from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.models.credential import (
    Credential,
    CredentialKind,
    InvalidCredential,
    TokenCookie,
    TwoSessionCookies,
)

ONE_NAME = CredentialExtractor(settings_of(cookie_names=("s",)))
TWO_NAMES = CredentialExtractor(settings_of(cookie_names=("r", "s")))
ONE_NAME_AND_TOKEN = CredentialExtractor(settings_of(cookie_names=("r",), token_cookie_names=("s",)))
PATTERN = CredentialExtractor(settings_of(cookie_names=("s_*", "s")))
WITH_TOKEN = CredentialExtractor(settings_of(cookie_names=("s", "t_*"), token_cookie_names=("token",)))
ALL = pytest.mark.parametrize(
    "extractor", [ONE_NAME, PATTERN, WITH_TOKEN], ids=["one name", "a pattern", "a cookie with a token"]
)

TOKEN, OTHER_TOKEN = (b"x-session-token", b"t"), (b"x-session-token", b"u")
COOKIE = (b"cookie", b"s=abc")
BEARER = (b"authorization", b"Bearer b")
HEADERS = {"x_session_token": TOKEN, "cookie": COOKIE, "bearer": BEARER}
HEADER_NAMES = st.sampled_from([b"cookie", b"authorization", b"x-session-token", b"accept"])
PIECES = st.sampled_from([b"s=", b"s_x=", b"Bearer ", b"bearer\t", b"; ", b";", b"=", b" ", b"\x00"])
VALUES = st.lists(st.binary(max_size=12) | PIECES, max_size=8).map(b"".join)
CREDENTIALS = st.builds(Credential, st.just("cookie"), st.binary(max_size=4), st.binary(max_size=6)) | st.builds(
    Credential, st.sampled_from(["x_session_token", "bearer"]), st.just(b""), st.binary(max_size=6)
)


def cookie(value: bytes, name: bytes = b"s") -> Credential:
    return Credential("cookie", name, value)


def extract(extractor: CredentialExtractor, headers: Iterable[Pair]) -> Credential | InvalidCredential | None:
    """Return the only credential of the request."""
    credentials = extractor.extract_all(headers)
    if isinstance(credentials, InvalidCredential):
        return credentials
    assert len(credentials) < 2
    return credentials[0] if credentials else None


@ALL
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"s=abc", b"abc"),
        (b"a=b;s=aXX ;x=y", b"aXX"),
        (b"a=b; \t s=abc; x=y", b"abc"),
        (b" s=abc", b"abc"),
        (b";s=a=b==", b"a=b=="),
        (b"s=s", b"s"),
        (b"s=" + b"x" * 8_192, b"x" * 8_192),
        (b's="abc" \t; x=y', b"abc"),
        (b's="' + b"x" * 8_192 + b'"', b"x" * 8_192),
        (b'theme="a; s="abc"', b"abc"),
        (b's=""; s=abc', b"abc"),
        (b"s=; s=abc", b"abc"),
        (b's="abc"; s=abc', b"abc"),
        (b"s=", None),
        (b's=""', None),
        (b"s", None),
        (b"S=abc", None),
        (b"xs=abc; a=b", None),
        (b"\x0cs=abc", None),
        (b"sx=abc", None),
        (b"token_=a; xtoken=a; Token=a; token =a; token", None),
    ],
)
def test_value_of_a_cookie(header: bytes, expected: bytes | None, extractor: CredentialExtractor) -> None:
    """Quotes are removed (RFC 6265, section 4.1.1), and do not protect a semicolon."""
    assert extract(extractor, [(b"cookie", header)]) == (expected and cookie(expected))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([(b"x-session-token", b" XtX\t")], Credential("x_session_token", b"", b"XtX")),
        ([(b"x-session-token", b'"t"')], Credential("x_session_token", b"", b'"t"')),
        ([(b"x-session-token", b"x" * 8_192)], Credential("x_session_token", b"", b"x" * 8_192)),
        ([(b"authorization", b"bEARER XbX")], Credential("bearer", b"", b"XbX")),
        ([(b"authorization", b'Bearer "b"')], Credential("bearer", b"", b'"b"')),
        ([(b"authorization", b"Basic dXNlcjpwYXNz")], None),
        ([(b"authorization", b"Bearer ")], None),
        ([(b"authorization", b"Bearer\tb")], None),
        ([(b"authorization", b"\x0cBearer b")], None),
        ([TOKEN, TOKEN], Credential("x_session_token", b"", b"t")),
        ([BEARER, BEARER], Credential("bearer", b"", b"b")),
        ([(b"cookie", b"x=y"), COOKIE, (b"cookie", b's="abc"')], cookie(b"abc")),
        ([BEARER, COOKIE, TOKEN], Credential("x_session_token", b"", b"t")),
        ([BEARER, COOKIE, (b"x-session-token", b" ")], cookie(b"abc")),
        ([BEARER, (b"cookie", b"x=y")], Credential("bearer", b"", b"b")),
        ([BEARER, (b"cookie", b's="";s=')], Credential("bearer", b"", b"b")),
        ([(b"x-session-token", b""), TOKEN], Credential("x_session_token", b"", b"t")),
    ],
)
def test_first_kind_in_kratos_order_is_extracted(headers: list[Pair], expected: Credential | None) -> None:
    """The order of the headers has no effect, and neither have empty values."""
    assert extract(ONE_NAME, iter(headers)) == expected


@pytest.mark.parametrize("header", [b" a", b'a"', b'"a', b'"', b'"""', b'"a"b"', b'""a""', b'" "', b"a\r\nb"])
@pytest.mark.parametrize("name", [b"s", b"token"])
def test_malformed_value_of_a_cookie(header: bytes, name: bytes) -> None:
    expected = InvalidCredential("cookie", "malformed")

    assert extract(WITH_TOKEN, [(b"cookie", name + b"=" + header), BEARER]) == expected


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        ([(b"x-session-token", b"a b"), COOKIE], "x_session_token", "malformed"),
        ([(b"x-session-token", b"t\r\n"), COOKIE], "x_session_token", "malformed"),
        ([(b"x-session-token", b"x" * 8_193), COOKIE], "x_session_token", "malformed"),
        ([TOKEN, OTHER_TOKEN, COOKIE], "x_session_token", "ambiguous"),
        ([(b"cookie", b"s=a; s=b; s=c"), BEARER], "cookie", "ambiguous"),
        ([(b"cookie", b"s=a,; s=b,"), (b"cookie", b's="c')], "cookie", "ambiguous"),
        ([(b"cookie", b"s=a,; s=b,"), BEARER], "cookie", "malformed"),
        ([(b"cookie", b"s=" + b"x" * 8_193), BEARER], "cookie", "malformed"),
        ([(b"authorization", b"Bearer  b")], "bearer", "malformed"),
        ([(b"authorization", b"Bearer b b")], "bearer", "malformed"),
        ([BEARER, (b"authorization", b"Bearer c")], "bearer", "ambiguous"),
        ([BEARER, (b"authorization", b"Basic b")], "bearer", "ambiguous"),
    ],
)
def test_invalid_credential_hides_the_later_kinds(headers: list[Pair], kind: CredentialKind, reason: Any) -> None:
    """With a fallback to another credential, two parsers could disagree about the user."""
    assert extract(ONE_NAME, headers) == InvalidCredential(kind, reason)


def test_only_visible_ascii_is_valid() -> None:
    """RFC 6265 also excludes some visible characters from cookies."""

    def valid_octets(name: bytes, start: bytes) -> set[int]:
        extracted = {
            octet: extract(ONE_NAME, [(name, start + bytes((*b"a", octet, *b"b")))]) for octet in range(256)
        }
        return {
            octet
            for octet, credential in extracted.items()
            if isinstance(credential, Credential) and credential.value == bytes((*b"a", octet, *b"b"))
        }

    assert valid_octets(b"x-session-token", b"") == set(range(0x21, 0x7F))
    assert valid_octets(b"authorization", b"Bearer ") == set(range(0x21, 0x7F))
    assert valid_octets(b"cookie", b"s=") == set(range(0x21, 0x7F)) - {*b'",;\\'}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"s_acme=abc", cookie(b"abc", b"s_acme")),
        (b"s_=abc", cookie(b"abc", b"s_")),
        (b"s_x=", None),
        (b's_x=""', None),
        (b"st=1; s_a=2; sx_=3", cookie(b"2", b"s_a")),
        (b"s_".ljust(8_192, b"x") + b"=abc", cookie(b"abc", b"s_".ljust(8_192, b"x"))),
        (b"s_".ljust(8_193, b"x") + b"=abc", InvalidCredential("cookie", "malformed")),
        (b"s_a b=abc", InvalidCredential("cookie", "malformed")),
        (b's_a"=abc', InvalidCredential("cookie", "malformed")),
        (b"s_\xff=abc", InvalidCredential("cookie", "malformed")),
    ],
)
def test_pattern_matches_any_valid_suffix(header: bytes, expected: object) -> None:
    """Cookies of Ory Network end with the slug of the project. The client chooses the name that Kratos receives."""
    assert extract(PATTERN, [(b"cookie", header)]) == expected
    assert extract(PATTERN, [(b"cookie", header), (b"cookie", header)]) == expected


@pytest.mark.parametrize(
    "kinds", [("cookie",), ("bearer",), ("bearer", "x_session_token"), ("bearer", "cookie", "x_session_token")]
)
def test_kinds_that_are_not_accepted_are_ignored(kinds: tuple[CredentialKind, ...]) -> None:
    """They don't hide other kinds, and the order of the setting has no effect."""
    extractor = CredentialExtractor(settings_of(cookie_names=("s",), credentials=kinds))

    for headers in (HEADERS, {kind: HEADERS[kind] for kind in reversed(HEADERS)}):
        accepted = [kind for kind in HEADERS if kind in kinds]
        credential = extract(extractor, headers.values())
        assert credential is not None
        assert credential.kind == accepted[0]
    for kind, header in HEADERS.items():
        assert (extract(extractor, [header]) is not None) == (kind in kinds)


@pytest.mark.parametrize(
    ("cookies", "names", "values"),
    [
        ([b"s=bX; theme=dark; s=a"], (b"s", b"s"), (b"bX", b"a")),
        ([b"s=a; s=b", b"s=b", b"s="], (b"s", b"s"), (b"a", b"b")),
        ([b's="a"; s=b; s=a; s=""'], (b"s", b"s"), (b"a", b"b")),
        ([b"s=a; t_x=a"], (b"s", b"t_x"), (b"a", b"a")),
        ([b"t_y=a", b"t_x=a"], (b"t_y", b"t_x"), (b"a", b"a")),
        ([b"t_=a; token=a"], (b"t_", b"token"), (b"a", b"a")),
        ([b'token="a"; s=b; token=a'], (b"token", b"s"), (b"a", b"b")),
    ],
)
def test_two_different_cookies_are_a_pair(
    cookies: list[bytes], names: tuple[bytes, ...], values: tuple[bytes, ...]
) -> None:
    """In all `Cookie` headers and under all accepted names; equal ones and empty ones do not count."""
    headers = [BEARER, *((b"cookie", value) for value in cookies)]
    _, pair = WITH_TOKEN.extract(headers)

    assert isinstance(pair, TwoSessionCookies)
    assert tuple(found.name for found in pair.cookies) == names
    assert tuple(found.value for found in pair.cookies) == values
    assert [type(found) is TokenCookie for found in pair.cookies] == [name == b"token" for name in names]
    assert repr(pair) == "TwoSessionCookies()"
    assert WITH_TOKEN.extract_all(headers) == pair.cookies


def test_cookie_that_can_not_be_sent_is_not_one_of_two() -> None:
    for value in (b"s=a; token=b,", b"s=a; s=b\x0b"):  # a value ends before spaces and tabs only
        headers = [(b"cookie", value)]
        assert WITH_TOKEN.extract_all(headers) == (cookie(b"a"),)


@pytest.mark.parametrize("extractor", [TWO_NAMES, ONE_NAME_AND_TOKEN, PATTERN, WITH_TOKEN])
def test_semicolon_may_end_the_header(extractor: CredentialExtractor) -> None:
    credential = extract(extractor, [(b"cookie", b"s=abc;")])

    assert credential == (TokenCookie if extractor is ONE_NAME_AND_TOKEN else Credential)("cookie", b"s", b"abc")


def test_cookie_with_a_token_is_sent_as_a_token() -> None:
    """It ranks with the session cookies."""
    header = (b"cookie", b'token="ory_st_x.y.z"')

    for headers in ([header], [BEARER, header]):
        credential = extract(WITH_TOKEN, headers)
        assert isinstance(credential, TokenCookie)
        assert (credential.kind, credential.is_session_cookie) == ("cookie", False)
        assert credential.header() == (b"X-Session-Token", b"ory_st_x.y.z")
    assert type(extract(WITH_TOKEN, [COOKIE])) is Credential
    assert extract(WITH_TOKEN, [header, TOKEN]) == Credential("x_session_token", b"", b"t")


@given(
    st.lists(
        st.sampled_from(
            [b"s", b"=", b";", b" ", b"\t", b"\x0c", b"\r", b'"', b"x", b"S", b"a=b", b"abc", b"s=", b"; s="]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_search_finds_the_same_cookies_as_splitting(header: bytes) -> None:
    """The regular expression is faster than splitting the header at each semicolon."""
    pairs = [pair.strip(b" \t").partition(b"=") for pair in header.split(b";")]
    quoted = [value for name, _, value in pairs if name == b"s"]
    values = [value[1:-1] if re.fullmatch(rb'".*"', value, re.DOTALL) else value for value in quoted]
    different = [value for value in dict.fromkeys(values) if value]
    valid = tuple(cookie(value) for value in different if not set(value) & set(b' \t\x0c\r"'))
    credentials = ONE_NAME.extract_all([(b"cookie", header)])

    if len(different) > 2:
        assert credentials == InvalidCredential("cookie", "ambiguous")
    elif different and not valid:
        assert credentials == InvalidCredential("cookie", "malformed")
    else:
        assert credentials == valid


@given(st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=5), st.sampled_from([ONE_NAME, PATTERN]))
@example([(b"cookie", b"s=\xff")], ONE_NAME)
def test_extracted_credential_is_safe_to_send(headers: list[Pair], extractor: CredentialExtractor) -> None:
    """No headers raise an exception, and no representation contains a value."""
    credentials = extractor.extract_all(headers)

    for credential in () if isinstance(credentials, InvalidCredential) else credentials:
        name, value = credential.header()
        assert credential.value
        assert set(credential.value) <= set(range(0x21, 0x7F))
        assert name in (b"X-Session-Token", b"Cookie", b"Authorization")
        assert not {*b"\r\n\0"} & {*value}
        assert name != b"Cookie" or b";" not in value
        assert credential.value in b"".join(value for _, value in headers)
        assert f"{credential}" == repr(credential) == f"Credential(kind={credential.kind!r})"


@pytest.mark.parametrize("expected", [(), (b"a", b"b"), (b"",)], ids=repr)
@given(first=CREDENTIALS, other=CREDENTIALS)
def test_keys_are_equal_only_for_equal_credentials(
    expected: tuple[bytes, ...], first: Credential, other: Credential
) -> None:
    """The hash separates kind, name and value, with and without expected names."""
    hasher = CredentialHasher(b"k" * 32, "http://kratos.test", expected)

    assert (hasher.cache_key(first) == hasher.cache_key(other)) == (tuple(first) == tuple(other))
    assert hasher.cache_key(first) == CredentialHasher(b"k" * 32, "http://kratos.test").cache_key(first)
    assert len(hasher.cache_key(first)) == 32


def test_keys_depend_on_the_secret_the_kratos_and_the_use_of_the_cookie() -> None:
    """Guards can share a store and differ in the names of their cookies."""
    hashers = [
        CredentialHasher(b"a" * 32, "http://one.test", [b"s"]),
        CredentialHasher(b"b" * 32, "http://one.test", [b"s"]),
        CredentialHasher(b"a" * 32, "http://two.test", [b"s"]),
        CredentialHasher(b"a" * 32, "http://one.test", [], [b"s"]),
    ]

    assert len({hasher.cache_key(cookie(b"v")) for hasher in hashers}) == 4
