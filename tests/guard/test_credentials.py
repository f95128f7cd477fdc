"""Reading the one credential of a request, from raw bytes, and making cache keys of it."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.guard_bench import settings_of

from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.models.credential import Credential, CredentialKind, InvalidCredential

READER = CredentialExtractor(settings_of())
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
def test_the_credential_is_read_as_kratos_reads_it(headers: list[Pair], expected: Credential | None) -> None:
    """One header gives one credential, or none; foreign cookies and schemes are nobody's."""
    assert READER.read(headers) == expected


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([token(b"t"), SESSION_COOKIE, authorization(b"Bearer b")], "x_session_token"),
        ([authorization(b"Bearer b"), SESSION_COOKIE, token(b"t")], "x_session_token"),
        ([authorization(b"Bearer b"), SESSION_COOKIE], "cookie"),
        ([authorization(b"Bearer b"), cookie(b"theme=dark")], "bearer"),
    ],
)
def test_the_order_is_kratos(headers: list[Pair], kind: str) -> None:
    """Token, cookie, bearer: whichever way the headers lie."""
    found = READER.read(headers)

    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ([token(b""), SESSION_COOKIE], "cookie"),
        ([token(b"  "), SESSION_COOKIE], "cookie"),
        ([token(b""), token(b"t")], "x_session_token"),
        ([cookie(b"ory_kratos_session="), authorization(b"Bearer b")], "bearer"),
        ([cookie(b"ory_kratos_session=; ory_kratos_session=abc")], "cookie"),
    ],
)
def test_an_empty_value_counts_as_absent(headers: list[Pair], kind: str) -> None:
    """A header that was cleared hides nothing."""
    found = READER.read(headers)

    assert isinstance(found, Credential)
    assert found.kind == kind


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
            [cookie(b"ory_kratos_session=a; ory_kratos_session=b"), authorization(b"Bearer b")],
            "cookie",
            "ambiguous",
        ),
        ([cookie(b"ory_kratos_session=a; ory_kratos_session=b; ory_kratos_session=a")], "cookie", "ambiguous"),
        ([SESSION_COOKIE, cookie(b"ory_kratos_session=b"), authorization(b"Bearer b")], "cookie", "ambiguous"),
        ([cookie(b'ory_kratos_session="abc"'), authorization(b"Bearer b")], "cookie", "malformed"),
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
def test_what_cannot_be_sent_hides_the_later_kinds(headers: list[Pair], kind: CredentialKind, reason: Any) -> None:
    """A credential that is malformed or ambiguous is refused; falling through to another would let two parsers
    disagree about who this is.
    """
    assert READER.read(headers) == InvalidCredential(kind, reason)


@pytest.mark.parametrize(
    "headers",
    [
        [token(b"t"), token(b"t")],
        [SESSION_COOKIE, SESSION_COOKIE],
        [cookie(b"ory_kratos_session=abc; ory_kratos_session=abc")],
        [authorization(b"Bearer t"), authorization(b"Bearer t")],
    ],
)
def test_a_duplicate_that_does_not_differ_is_one(headers: list[Pair]) -> None:
    """The same value twice leaves no doubt about whose it is."""
    assert isinstance(READER.read(headers), Credential)


def test_a_value_of_the_greatest_size_is_sent() -> None:
    found = READER.read([token(b"x" * 8_192)])

    assert isinstance(found, Credential)
    assert len(found.value) == 8_192


def test_visible_ascii_is_sent_and_nothing_else() -> None:
    """In cookies less what RFC 6265 leaves out of their values."""
    values = [bytes((*b"a", octet, *b"b")) for octet in range(256)]

    def sent(header: Callable[[bytes], Pair], start: bytes) -> set[int]:
        read = {value: READER.read([header(start + value)]) for value in values}
        return {value[1] for value, found in read.items() if isinstance(found, Credential) and found.value == value}

    assert sent(token, b"") == set(range(0x21, 0x7F))
    assert sent(authorization, b"Bearer ") == set(range(0x21, 0x7F))
    assert sent(cookie, b"ory_kratos_session=") == set(range(0x21, 0x7F)) - {*b'",;\\'}


def test_a_name_may_come_again_in_a_value() -> None:
    """What stands in a value is part of it, be it the shortest of names."""
    reader = CredentialExtractor(settings_of(cookie_names=("s",)))

    assert reader.read([cookie(b"s=s")]) == Credential("cookie", b"s", b"s")


def test_a_wildcard_matches_any_rest_of_a_name() -> None:
    """Ory Network's cookies end in the project's slug."""
    reader = CredentialExtractor(settings_of(cookie_names=NAMES))

    assert reader.read([cookie(b"ory_session_acme=abc")]) == Credential("cookie", b"ory_session_acme", b"abc")
    assert reader.read([SESSION_COOKIE]) == Credential("cookie", b"ory_kratos_session", b"abc")
    assert reader.read([cookie(b"ory_sessio=abc")]) is None


def test_a_wildcard_leaves_every_other_name_alone() -> None:
    """Cookies that match nothing are not looked at, wherever they stand."""
    reader = CredentialExtractor(settings_of(cookie_names=NAMES))
    headers = [cookie(b"ory_kratos_session_x=1; ory_session_a=2; ory_kratos_session_y=3")]

    assert reader.read(headers) == Credential("cookie", b"ory_session_a", b"2")
    assert reader.read(headers[:1] * 2) == reader.read(headers)
    assert reader.read([cookie(b"ory_kratos_session_x=1")]) is None
    alike = CredentialExtractor(settings_of(cookie_names=("ory_session_*", "ory_sessions")))
    assert alike.read([cookie(b"ory_sessions_x=1")]) is None


@given(
    st.lists(
        st.sampled_from(
            [b"ory_kratos_session", b"=", b";", b" ", b"\t", b"\x0c", b"\r", b"x", b"X", b"a=b", b"abc"]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_a_cookie_is_found_where_splitting_finds_it(header: bytes) -> None:
    """The quick search for the name comes to what splitting at each semicolon comes to."""
    pairs = [pair.strip(b" \t").partition(b"=") for pair in header.split(b";")]
    plainly = {value for name, _, value in pairs if name == b"ory_kratos_session" and value}
    found = READER.read([cookie(header)])

    if len(plainly) > 1:
        assert found == InvalidCredential("cookie", "ambiguous")
    elif not plainly:
        assert found is None
    else:
        value = plainly.pop()
        sendable = not set(value) & set(b" \t\x0c\r")
        assert found == (
            Credential("cookie", b"ory_kratos_session", value)
            if sendable
            else InvalidCredential("cookie", "malformed")
        )


def test_headers_that_can_be_read_only_once_are_read_whole() -> None:
    """ASGI promises no more than an iterable."""
    cookies = [cookie(b"ory_kratos_session=" + value) for value in (b"a", b"b", b"c")]

    assert READER.read(iter(cookies)) == InvalidCredential("cookie", "ambiguous")


def test_two_matching_cookies_that_differ_are_ambiguous() -> None:
    """Even under two names, and even with one value: nobody can say which one counts."""
    both = cookie(b"ory_session_acme=abc; ory_session_beta=abc")

    assert WILDCARD.read([both]) == InvalidCredential("cookie", "ambiguous")


def test_a_name_of_the_greatest_size_is_sent() -> None:
    """A name that the client chose may be as long as a value."""
    name = b"ory_session_".ljust(8_192, b"x")

    assert WILDCARD.read([cookie(name + b"=abc")]) == Credential("cookie", name, b"abc")


@pytest.mark.parametrize("rest", [b"a b", b"a\x00", b"a\xff", b'a"', b"x" * 8_193])
def test_a_name_that_the_client_chose_is_checked_like_a_value(rest: bytes) -> None:
    """What a wildcard matched is sent to Kratos too."""
    assert WILDCARD.read([cookie(b"ory_session_" + rest + b"=abc")]) == InvalidCredential("cookie", "malformed")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("cookie",), "cookie"),
        (("bearer",), "bearer"),
        (("bearer", "x_session_token"), "x_session_token"),
        (("bearer", "cookie"), "cookie"),
    ],
)
def test_kinds_that_are_not_chosen_are_not_there(kinds: tuple[CredentialKind, ...], expected: str) -> None:
    """They don't hide anything either, usable or not; the order of the choice means nothing."""
    reader = CredentialExtractor(settings_of(credentials=kinds))

    found = reader.read([token(b"t"), SESSION_COOKIE, authorization(b"Bearer b")])

    assert found is not None
    assert found.kind == expected


@pytest.mark.parametrize("kind", ["x_session_token", "cookie", "bearer"])
def test_no_kind_but_the_chosen_one_is_read(kind: CredentialKind) -> None:
    """A service that takes one kind sees nobody in requests with the others."""
    reader = CredentialExtractor(settings_of(credentials=(kind,)))
    headers = {"x_session_token": token(b"t"), "cookie": SESSION_COOKIE, "bearer": authorization(b"Bearer b")}

    for other, header in headers.items():
        assert (reader.read([header]) is not None) == (other == kind)


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        (Credential("x_session_token", b"", b"t"), (b"X-Session-Token", b"t")),
        (Credential("cookie", b"acme", b"v"), (b"Cookie", b"acme=v")),
        (Credential("bearer", b"", b"t"), (b"Authorization", b"Bearer t")),
    ],
)
def test_a_credential_leaves_in_one_header(credential: Credential, header: Pair) -> None:
    """Kratos gets it in the place that it came from."""
    assert credential.header() == header


def test_a_credential_does_not_show_its_value(caplog: pytest.LogCaptureFixture) -> None:
    """Not in repr, not in str, not in a log line."""
    credential = Credential("cookie", b"ory_kratos_session", b"MTc5NTM")

    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r %s", credential, credential, [credential])

    assert "MTc5NTM" not in f"{credential}{credential!r}{caplog.text}"
    assert repr(credential) == "Credential(kind='cookie')"


@given(st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=5), st.sampled_from([READER, WILDCARD]))
@example([(b"cookie", b"ory_kratos_session=\xff")], READER)
def test_no_bytes_raise_and_nothing_unusual_is_sent(headers: list[Pair], reader: CredentialExtractor) -> None:
    """Whatever a client sends, what comes out is a credential that can be sent as it is, or none, and silent."""
    found = reader.read(headers)

    if isinstance(found, Credential):
        name, value = found.header()
        assert found.value
        assert set(found.value) <= set(range(0x21, 0x7F))
        assert name in (b"X-Session-Token", b"Cookie", b"Authorization")
        assert not {*b"\r\n\0"} & {*value}
        assert name != b"Cookie" or b";" not in value
        assert found.value in b"".join(value for _, value in headers)
        assert repr(found) == f"Credential(kind={found.kind!r})"
    else:
        assert found is None or isinstance(found, InvalidCredential)


CREDENTIALS = st.builds(Credential, st.just("cookie"), st.binary(max_size=4), st.binary(max_size=6)) | st.builds(
    Credential, st.sampled_from(["x_session_token", "bearer"]), st.just(b""), st.binary(max_size=6)
)


@pytest.mark.parametrize("expected", [(), (b"a", b"b"), (b"",)], ids=repr)
@given(one=CREDENTIALS, other=CREDENTIALS)
def test_keys_are_equal_only_for_equal_credentials(
    expected: tuple[bytes, ...], one: Credential, other: Credential
) -> None:
    """Kind, name and value are kept apart, whichever names are expected: no two credentials share a key."""
    hasher = CredentialHasher(b"k" * 32, "http://kratos.test", expected)

    assert (hasher.key(one) == hasher.key(other)) == (tuple(one) == tuple(other))
    assert len(hasher.key(one)) == 32


def test_names_that_are_expected_change_no_key() -> None:
    """They are hashed ahead, and nothing else."""
    cookie = Credential("cookie", b"acme", b"v")
    ahead, plain = CredentialHasher(b"k" * 32, "u", [b"acme"]), CredentialHasher(b"k" * 32, "u")

    assert ahead.key(cookie) == plain.key(cookie)


def test_keys_depend_on_the_secret_and_on_kratos() -> None:
    """A key of one process or Kratos is worth nothing in another."""
    credential = Credential("bearer", b"", b"t")
    keys = {
        CredentialHasher(b"a" * 32, "http://one.test").key(credential),
        CredentialHasher(b"b" * 32, "http://one.test").key(credential),
        CredentialHasher(b"a" * 32, "http://two.test").key(credential),
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
        ([(b"cookie", b"s=a; s=b,")], InvalidCredential("cookie", "malformed")),
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
def test_read_each_returns_up_to_two_cookies(headers: list[tuple[bytes, bytes]], expected: Any) -> None:
    """Of the kind that counts; one that can't be sent hides the others, and a third makes all of them ambiguous."""
    assert CredentialExtractor(settings_of(cookie_names=("s",))).read_each(headers) == expected
