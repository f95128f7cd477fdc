"""Extraction of the credential from raw headers, and cache keys."""

import logging
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard_bench import settings_of

from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.models.credential import Credential, CredentialKind, InvalidCredential

EXTRACTOR = CredentialExtractor(settings_of())
NAMES = ("ory_session_*", "ory_kratos_session")
WILDCARD = CredentialExtractor(settings_of(cookie_names=NAMES))

Pair = tuple[bytes, bytes]
HEADER_NAMES = st.sampled_from([b"cookie", b"authorization", b"x-session-token", b"accept"])
PIECES = st.sampled_from(
    [b"ory_kratos_session=", b"ory_session_x=", b"Bearer ", b"bearer\t", b"; ", b";", b"=", b" ", b"\x00"]
)
VALUES = st.lists(st.binary(max_size=12) | PIECES, max_size=8).map(b"".join)


def token(value: bytes) -> Pair:
    """Return an `X-Session-Token` header."""
    return b"x-session-token", value


def cookie(value: bytes) -> Pair:
    """Return a `Cookie` header."""
    return b"cookie", value


def authorization(value: bytes) -> Pair:
    """Return an `Authorization` header."""
    return b"authorization", value


def extract(extractor: CredentialExtractor, headers: Iterable[Pair]) -> Credential | InvalidCredential | None:
    """Return the only credential of the request."""
    credentials = extractor.extract_all(headers)
    if isinstance(credentials, InvalidCredential):
        return credentials
    assert len(credentials) < 2
    return credentials[0] if credentials else None


SESSION_COOKIE = cookie(b"ory_kratos_session=abc")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([token(b"t1")], Credential("x_session_token", b"", b"t1")),
        ([token(b" t1\t")], Credential("x_session_token", b"", b"t1")),
        ([SESSION_COOKIE], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"theme=dark; ory_kratos_session=abc ;x=y")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"ory_kratos_session=abc; a=b; c=d")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"a=b; c=d; ory_kratos_session=abc")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"a=b;c=d;ory_kratos_session=abc")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"a=b; \t ory_kratos_session=abc")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b" ory_kratos_session=abc")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b";ory_kratos_session=abc")], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([token(b"X")], Credential("x_session_token", b"", b"X")),
        ([token(b'a",;\\')], Credential("x_session_token", b"", b'a",;\\')),
        ([authorization(b'Bearer a",;\\')], Credential("bearer", b"", b'a",;\\')),
        ([authorization(b"Bearer X")], Credential("bearer", b"", b"X")),
        ([authorization(b"\x0cBearer t1")], None),
        ([cookie(b"\x0cory_kratos_session=abc")], None),
        ([cookie(b"xory_kratos_session=abc; a=b")], None),
        ([cookie(b"theme=dark"), SESSION_COOKIE], Credential("cookie", b"ory_kratos_session", b"abc")),
        ([cookie(b"ory_kratos_session=X")], Credential("cookie", b"ory_kratos_session", b"X")),
        ([cookie(b"ory_kratos_session=a=b==")], Credential("cookie", b"ory_kratos_session", b"a=b==")),
        ([authorization(b"Bearer t1")], Credential("bearer", b"", b"t1")),
        ([authorization(b"bEARER t1")], Credential("bearer", b"", b"t1")),
        ([authorization(b"Basic dXNlcjpwYXNz")], None),
        ([authorization(b"Bearer")], None),
        ([authorization(b"Bearer ")], None),
        ([authorization(b"Bearer\tt1")], None),
        ([cookie(b"other=abc")], None),
        ([cookie(b"Ory_Kratos_Session=abc")], None),
        ([cookie(b"xory_kratos_session=abc")], None),
        ([cookie(b"Xory_kratos_session=abc")], None),
        ([cookie(b"ory_kratos_session_x=abc")], None),
        ([cookie(b"ory_kratos_session")], None),
    ],
)
def test_extracts_the_credential_that_kratos_would_read(headers: list[Pair], expected: Credential | None) -> None:
    assert extract(EXTRACTOR, headers) == expected


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([token(b"t"), SESSION_COOKIE, authorization(b"Bearer b")], "x_session_token"),
        ([authorization(b"Bearer b"), SESSION_COOKIE, token(b"t")], "x_session_token"),
        ([authorization(b"Bearer b"), SESSION_COOKIE], "cookie"),
        ([authorization(b"Bearer b"), cookie(b"theme=dark")], "bearer"),
    ],
)
def test_kind_is_chosen_in_kratos_order(headers: list[Pair], kind: str) -> None:
    """The order of the headers has no effect."""
    credential = extract(EXTRACTOR, headers)

    assert credential is not None
    assert credential.kind == kind


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([token(b""), SESSION_COOKIE], "cookie"),
        ([token(b"  "), SESSION_COOKIE], "cookie"),
        ([token(b""), token(b"t")], "x_session_token"),
        ([cookie(b"ory_kratos_session="), authorization(b"Bearer b")], "bearer"),
        ([cookie(b"ory_kratos_session=; ory_kratos_session=abc")], "cookie"),
        ([cookie(b'ory_kratos_session=""'), authorization(b"Bearer b")], "bearer"),
        ([cookie(b'ory_kratos_session=""; ory_kratos_session=abc')], "cookie"),
    ],
)
@pytest.mark.parametrize("extractor", [EXTRACTOR, WILDCARD], ids=["one name", "two names"])
def test_empty_value_does_not_hide_other_credentials(
    headers: list[Pair], kind: str, extractor: CredentialExtractor
) -> None:
    credential = extract(extractor, headers)

    assert isinstance(credential, Credential)
    assert credential.kind == kind


@pytest.mark.parametrize(
    ("headers", "kind", "reason"),
    [
        ([token(b"a b"), SESSION_COOKIE], "x_session_token", "malformed"),
        ([token(b"a\x00b"), SESSION_COOKIE], "x_session_token", "malformed"),
        ([token(b"\x0ct")], "x_session_token", "malformed"),
        ([token(b"t\r\n")], "x_session_token", "malformed"),
        ([token("tökén".encode()), SESSION_COOKIE], "x_session_token", "malformed"),
        ([token(b"x" * 8_193), SESSION_COOKIE], "x_session_token", "malformed"),
        ([token(b"a"), token(b"b"), SESSION_COOKIE], "x_session_token", "ambiguous"),
        (
            [cookie(b"ory_kratos_session=a; ory_kratos_session=b"), SESSION_COOKIE, authorization(b"Bearer b")],
            "cookie",
            "ambiguous",
        ),
        ([cookie(b"ory_kratos_session=a; ory_kratos_session=b; ory_kratos_session=c")], "cookie", "ambiguous"),
        ([cookie(b'ory_kratos_session=a; ory_kratos_session="; ory_kratos_session=,')], "cookie", "ambiguous"),
        (
            [cookie(b'ory_kratos_session=a"; ory_kratos_session="a'), authorization(b"Bearer b")],
            "cookie",
            "malformed",
        ),
        ([cookie(b'ory_kratos_session="'), authorization(b"Bearer b")], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="abc'), authorization(b"Bearer b")], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=abc"'), authorization(b"Bearer b")], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=a"b')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="a"b"')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=""abc""')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=""""')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="a\\"b"')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=" abc"')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="abc "')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session=" "')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session= "abc"')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="a;b"')], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="a,b"')], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session='abc' x")], "cookie", "malformed"),
        ([cookie(b'ory_kratos_session="' + b"x" * 8_193 + b'"')], "cookie", "malformed"),
        ([cookie(b'theme="a; ory_kratos_session=abc"')], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session= abc"), authorization(b"Bearer b")], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session=a,b")], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session=a\\b")], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session=a\r\nb")], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session=a\x0c")], "cookie", "malformed"),
        ([cookie(b"ory_kratos_session=" + b"x" * 8_193)], "cookie", "malformed"),
        ([authorization(b"Bearer  t1")], "bearer", "malformed"),
        ([authorization(b"Bearer t1 t2")], "bearer", "malformed"),
        ([authorization(b"Bearer t\xff")], "bearer", "malformed"),
        ([authorization(b"Bearer a"), authorization(b"Bearer b")], "bearer", "ambiguous"),
        ([authorization(b"Bearer a"), authorization(b"Basic b")], "bearer", "ambiguous"),
    ],
)
def test_invalid_credential_hides_the_later_kinds(headers: list[Pair], kind: CredentialKind, reason: Any) -> None:
    """With a fallback to another credential, two parsers could disagree about the user."""
    assert extract(EXTRACTOR, headers) == InvalidCredential(kind, reason)


@pytest.mark.parametrize(
    "headers",
    [
        [token(b"t"), token(b"t")],
        [SESSION_COOKIE, SESSION_COOKIE],
        [cookie(b"ory_kratos_session=abc; ory_kratos_session=abc")],
        [cookie(b'ory_kratos_session="abc"; ory_kratos_session=abc')],
        [SESSION_COOKIE, cookie(b'ory_kratos_session="abc"')],
        [authorization(b"Bearer t"), authorization(b"Bearer t")],
    ],
)
def test_equal_duplicates_are_one_credential(headers: list[Pair]) -> None:
    assert isinstance(extract(EXTRACTOR, headers), Credential)


@pytest.mark.parametrize(
    "header",
    [
        b'ory_kratos_session="abc"',
        b'theme=dark; ory_kratos_session="abc" \t; x=y',
        b'theme="dark; ory_kratos_session="abc"',
        b'theme="a; ory_kratos_session=abc; x=b"',
    ],
)
@pytest.mark.parametrize("extractor", [EXTRACTOR, WILDCARD], ids=["one name", "two names"])
def test_quotes_around_the_value_of_a_cookie_are_removed(header: bytes, extractor: CredentialExtractor) -> None:
    """RFC 6265, section 4.1.1. They do not protect a semicolon."""
    credential = extract(extractor, [cookie(header)])

    assert credential == Credential("cookie", b"ory_kratos_session", b"abc")


@pytest.mark.parametrize(
    ("header", "value"), [(token(b'"abc"'), b'"abc"'), (authorization(b'Bearer "abc"'), b'"abc"')]
)
def test_quotes_in_other_headers_are_part_of_the_token(header: Pair, value: bytes) -> None:
    credential = extract(EXTRACTOR, [header])

    assert isinstance(credential, Credential)
    assert credential.value == value


@pytest.mark.parametrize("value", [b"x" * 8_192, b'"' + b"x" * 8_192 + b'"'], ids=["plain", "quoted"])
def test_cookie_of_the_maximum_size_is_valid(value: bytes) -> None:
    credential = extract(EXTRACTOR, [cookie(b"ory_kratos_session=" + value)])

    assert credential == Credential("cookie", b"ory_kratos_session", b"x" * 8_192)


def test_value_of_the_maximum_size_is_valid() -> None:
    credential = extract(EXTRACTOR, [token(b"x" * 8_192)])

    assert isinstance(credential, Credential)
    assert len(credential.value) == 8_192


def test_only_visible_ascii_is_valid() -> None:
    """RFC 6265 also excludes some visible characters from cookies."""
    values = [bytes((*b"a", octet, *b"b")) for octet in range(256)]

    def valid_octets(header: Callable[[bytes], Pair], start: bytes) -> set[int]:
        extracted = {value: extract(EXTRACTOR, [header(start + value)]) for value in values}
        return {
            value[1]
            for value, credential in extracted.items()
            if isinstance(credential, Credential) and credential.value == value
        }

    assert valid_octets(token, b"") == set(range(0x21, 0x7F))
    assert valid_octets(authorization, b"Bearer ") == set(range(0x21, 0x7F))
    assert valid_octets(cookie, b"ory_kratos_session=") == set(range(0x21, 0x7F)) - {*b'",;\\'}


def test_value_may_contain_the_name() -> None:
    extractor = CredentialExtractor(settings_of(cookie_names=("s",)))

    assert extract(extractor, [cookie(b"s=s")]) == Credential("cookie", b"s", b"s")


def test_wildcard_matches_any_suffix() -> None:
    """Cookies of Ory Network end with the slug of the project."""
    extractor = CredentialExtractor(settings_of(cookie_names=NAMES))

    assert extract(extractor, [cookie(b"ory_session_acme=abc")]) == Credential(
        "cookie", b"ory_session_acme", b"abc"
    )
    assert extract(extractor, [SESSION_COOKIE]) == Credential("cookie", b"ory_kratos_session", b"abc")
    for header in (b"ory_sessio=abc", b"ory_session_acme=", b'ory_session_acme=""'):
        assert extract(extractor, [cookie(header)]) is None


def test_wildcard_does_not_match_other_names() -> None:
    extractor = CredentialExtractor(settings_of(cookie_names=NAMES))
    headers = [cookie(b"ory_kratos_session_x=1; ory_session_a=2; ory_kratos_session_y=3")]

    assert extract(extractor, headers) == Credential("cookie", b"ory_session_a", b"2")
    assert extract(extractor, headers[:1] * 2) == extract(extractor, headers)
    assert extract(extractor, [cookie(b"ory_kratos_session_x=1")]) is None
    alike = CredentialExtractor(settings_of(cookie_names=("ory_session_*", "ory_sessions")))
    assert extract(alike, [cookie(b"ory_sessions_x=1")]) is None


@given(
    st.lists(
        st.sampled_from(
            [b"ory_kratos_session", b"=", b";", b" ", b"\t", b"\x0c", b"\r", b'"', b"x", b"X", b"a=b", b"abc"]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_search_finds_the_same_cookies_as_splitting(header: bytes) -> None:
    """The regular expression is faster than splitting the header at each semicolon."""
    pairs = [pair.strip(b" \t").partition(b"=") for pair in header.split(b";")]
    quoted = [value for name, _, value in pairs if name == b"ory_kratos_session"]
    values = [value[1:-1] if re.fullmatch(rb'".*"', value, re.DOTALL) else value for value in quoted]
    different = [value for value in dict.fromkeys(values) if value]
    valid = tuple(
        Credential("cookie", b"ory_kratos_session", value)
        for value in different
        if not set(value) & set(b' \t\x0c\r"')
    )
    credentials = EXTRACTOR.extract_all([cookie(header)])

    if len(different) > 2:
        assert credentials == InvalidCredential("cookie", "ambiguous")
    elif different and not valid:
        assert credentials == InvalidCredential("cookie", "malformed")
    else:
        assert credentials == valid


def test_headers_may_be_an_iterator() -> None:
    """ASGI specifies an iterable."""
    cookies = [cookie(b"ory_kratos_session=" + value) for value in (b"a", b"b", b"c")]

    assert extract(EXTRACTOR, iter(cookies)) == InvalidCredential("cookie", "ambiguous")


def test_name_of_the_maximum_size_is_valid() -> None:
    """The client chooses a name that matches a wildcard."""
    name = b"ory_session_".ljust(8_192, b"x")

    assert extract(WILDCARD, [cookie(name + b"=abc")]) == Credential("cookie", name, b"abc")


@pytest.mark.parametrize("rest", [b"a b", b"a\x00", b"a\xff", b'a"', b"x" * 8_193])
def test_name_that_matches_a_wildcard_is_validated(rest: bytes) -> None:
    """It is sent to Kratos, too."""
    assert extract(WILDCARD, [cookie(b"ory_session_" + rest + b"=abc")]) == InvalidCredential("cookie", "malformed")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("cookie",), "cookie"),
        (("bearer",), "bearer"),
        (("bearer", "x_session_token"), "x_session_token"),
        (("bearer", "cookie"), "cookie"),
    ],
)
def test_kinds_that_are_not_accepted_are_ignored(kinds: tuple[CredentialKind, ...], expected: str) -> None:
    """They don't hide other kinds, and the order of the setting has no effect."""
    extractor = CredentialExtractor(settings_of(credentials=kinds))

    credential = extract(extractor, [token(b"t"), SESSION_COOKIE, authorization(b"Bearer b")])

    assert credential is not None
    assert credential.kind == expected


@pytest.mark.parametrize("kind", ["x_session_token", "cookie", "bearer"])
def test_only_the_accepted_kind_is_extracted(kind: CredentialKind) -> None:
    extractor = CredentialExtractor(settings_of(credentials=(kind,)))
    headers = {"x_session_token": token(b"t"), "cookie": SESSION_COOKIE, "bearer": authorization(b"Bearer b")}

    for other, header in headers.items():
        assert (extract(extractor, [header]) is not None) == (other == kind)


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        (Credential("x_session_token", b"", b"t"), (b"X-Session-Token", b"t")),
        (Credential("cookie", b"acme", b"v"), (b"Cookie", b"acme=v")),
        (Credential("bearer", b"", b"t"), (b"Authorization", b"Bearer t")),
    ],
)
def test_header_for_kratos(credential: Credential, header: Pair) -> None:
    assert credential.header() == header


def test_value_is_not_in_the_representation(caplog: pytest.LogCaptureFixture) -> None:
    credential = Credential("cookie", b"ory_kratos_session", b"MTc5NTM")

    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", credential, credential, [credential])

    assert "MTc5NTM" not in f"{credential}{credential!r}{caplog.text}"
    assert repr(credential) == "Credential(kind='cookie')"


@given(st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=5), st.sampled_from([EXTRACTOR, WILDCARD]))
@example([(b"cookie", b"ory_kratos_session=\xff")], EXTRACTOR)
def test_extracted_credential_is_safe_to_send(headers: list[Pair], extractor: CredentialExtractor) -> None:
    """No headers raise an exception."""
    credential = extract(extractor, headers)

    if isinstance(credential, Credential):
        name, value = credential.header()
        assert credential.value
        assert set(credential.value) <= set(range(0x21, 0x7F))
        assert name in (b"X-Session-Token", b"Cookie", b"Authorization")
        assert not {*b"\r\n\0"} & {*value}
        assert name != b"Cookie" or b";" not in value
        assert credential.value in b"".join(value for _, value in headers)
        assert repr(credential) == f"Credential(kind={credential.kind!r})"
    else:
        assert credential is None or isinstance(credential, InvalidCredential)


CREDENTIALS = st.builds(Credential, st.just("cookie"), st.binary(max_size=4), st.binary(max_size=6)) | st.builds(
    Credential, st.sampled_from(["x_session_token", "bearer"]), st.just(b""), st.binary(max_size=6)
)


@pytest.mark.parametrize("expected", [(), (b"a", b"b"), (b"",)], ids=repr)
@given(first=CREDENTIALS, other=CREDENTIALS)
def test_keys_are_equal_only_for_equal_credentials(
    expected: tuple[bytes, ...], first: Credential, other: Credential
) -> None:
    """The hash separates kind, name and value, with and without expected names."""
    hasher = CredentialHasher(b"k" * 32, "http://kratos.test", expected)

    assert (hasher.cache_key(first) == hasher.cache_key(other)) == (tuple(first) == tuple(other))
    assert len(hasher.cache_key(first)) == 32


def test_expected_names_do_not_change_a_key() -> None:
    cookie = Credential("cookie", b"acme", b"v")
    ahead, plain = CredentialHasher(b"k" * 32, "u", [b"acme"]), CredentialHasher(b"k" * 32, "u")

    assert ahead.cache_key(cookie) == plain.cache_key(cookie)


def test_keys_depend_on_the_secret_and_on_kratos() -> None:
    credential = Credential("bearer", b"", b"t")
    keys = {
        CredentialHasher(b"a" * 32, "http://one.test").cache_key(credential),
        CredentialHasher(b"b" * 32, "http://one.test").cache_key(credential),
        CredentialHasher(b"a" * 32, "http://two.test").cache_key(credential),
    }

    assert len(keys) == 3
    assert not any(b"t1" in key for key in keys)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], ()),
        ([(b"cookie", b"theme=dark; s=")], ()),
        ([(b"cookie", b"s=a; s=a")], (Credential("cookie", b"s", b"a"),)),
        ([(b"cookie", b"s=b; s=; s=a")], (Credential("cookie", b"s", b"b"), Credential("cookie", b"s", b"a"))),
        (
            [(b"cookie", b"s=a"), (b"cookie", b"s=b")],
            (Credential("cookie", b"s", b"a"), Credential("cookie", b"s", b"b")),
        ),
        ([(b"authorization", b"Bearer t"), (b"cookie", b"s=a")], (Credential("cookie", b"s", b"a"),)),
        ([(b"x-session-token", b"t"), (b"cookie", b"s=a; s=b")], (Credential("x_session_token", b"", b"t"),)),
        ([(b"authorization", b"Bearer t")], (Credential("bearer", b"", b"t"),)),
        ([(b"cookie", b"s=a; s=b; s=c")], InvalidCredential("cookie", "ambiguous")),
        ([(b"cookie", b"s=a; s=b,")], (Credential("cookie", b"s", b"a"),)),
        ([(b"cookie", b"s=a,; s=b,")], InvalidCredential("cookie", "malformed")),
        ([(b"cookie", b"s=,")], InvalidCredential("cookie", "malformed")),
        (
            [(b"x-session-token", b"t"), (b"x-session-token", b"u")],
            InvalidCredential("x_session_token", "ambiguous"),
        ),
        (
            [(b"authorization", b"Bearer t"), (b"authorization", b"Basic t")],
            InvalidCredential("bearer", "ambiguous"),
        ),
        ([(b"x-session-token", b"a b"), (b"cookie", b"s=a")], InvalidCredential("x_session_token", "malformed")),
    ],
)
def test_extract_all_returns_up_to_two_cookies(headers: list[tuple[bytes, bytes]], expected: Any) -> None:
    """Without those that can't be sent; with a third one, the result is `InvalidCredential`."""
    assert CredentialExtractor(settings_of(cookie_names=("s",))).extract_all(headers) == expected
