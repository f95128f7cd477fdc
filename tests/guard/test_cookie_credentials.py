"""Extraction of two different session cookies, and of session tokens in cookies of the application."""

import pytest
from support.guard_bench import Pair, settings_of

from ory_guard.guard.credentials import CredentialExtractor, CredentialHasher
from ory_guard.models.credential import CookiePair, Credential, InvalidCredential, TokenCookie

EXTRACTOR = CredentialExtractor(settings_of(cookie_names=("s", "t_*"), token_cookie_names=("token",)))
BEARER = (b"authorization", b"Bearer b")


@pytest.mark.parametrize(
    ("cookies", "names", "values"),
    [
        ([b"s=b; theme=dark; s=a"], (b"s", b"s"), (b"b", b"a")),
        ([b"s=a", b"s=b"], (b"s", b"s"), (b"a", b"b")),
        ([b"s=a; s=b", b"s=b", b"s="], (b"s", b"s"), (b"a", b"b")),
        ([b's="a"; s=b; s=a; s=""'], (b"s", b"s"), (b"a", b"b")),
        ([b's=a"; s=a'], (b"s", b"s"), (b'a"', b"a")),
        ([b"s=a; t_x=a"], (b"s", b"t_x"), (b"a", b"a")),
        ([b"t_y=a", b"t_x=a"], (b"t_y", b"t_x"), (b"a", b"a")),
        ([b"t_=a; token=a"], (b"t_", b"token"), (b"a", b"a")),
        ([b"token=a; token=b"], (b"token", b"token"), (b"a", b"b")),
        ([b'token="a"; s=b; token=a'], (b"token", b"s"), (b"a", b"b")),
    ],
)
def test_two_different_cookies_are_a_pair(
    cookies: list[bytes], names: tuple[bytes, ...], values: tuple[bytes, ...]
) -> None:
    """In all `Cookie` headers and under all accepted names; equal ones and empty ones do not count."""
    _, pair = EXTRACTOR.extract([BEARER, *((b"cookie", value) for value in cookies)])

    assert isinstance(pair, CookiePair)
    assert tuple(found.name for found in pair.cookies) == names
    assert tuple(found.value for found in pair.cookies) == values
    assert [type(found) is TokenCookie for found in pair.cookies] == [name == b"token" for name in names]
    assert repr(pair) == "CookiePair()"


@pytest.mark.parametrize(
    "cookies", [[b"s=a; s=b; s=c"], [b"s=a; t_x=a; t_y=a"], [b"s=a; token=a", b"token=b"], [b"s=a,; s=b,", b's="c']]
)
def test_more_than_two_different_cookies_are_ambiguous(cookies: list[bytes]) -> None:
    """Invalid ones count, too."""
    headers = [(b"cookie", value) for value in cookies]

    assert EXTRACTOR.extract_all(headers) == InvalidCredential("cookie", "ambiguous")


def test_cookie_with_a_token_is_sent_as_a_token() -> None:
    """Its quotes are removed, and its value must be valid in a cookie."""
    (credential,) = _extract(b'token="ory_st_x.y.z"')

    assert isinstance(credential, TokenCookie)
    assert (credential.kind, credential.is_session_cookie) == ("cookie", False)
    assert credential.header() == (b"X-Session-Token", b"ory_st_x.y.z")
    assert repr(credential) == "Credential(kind='cookie')"


def _extract(cookies: bytes, *headers: Pair) -> tuple[Credential, ...]:
    credentials = EXTRACTOR.extract_all([(b"cookie", cookies), *headers])
    assert not isinstance(credentials, InvalidCredential)
    return credentials


@pytest.mark.parametrize("cookies", [b"token=a,b", b'token="a', b"token=" + b"x" * 8_193, b"token=a\r\nb: c"])
def test_cookie_with_an_invalid_token_is_malformed(cookies: bytes) -> None:
    assert EXTRACTOR.extract_all([(b"cookie", cookies)]) == InvalidCredential("cookie", "malformed")


@pytest.mark.parametrize("cookies", [b"token_=a", b"xtoken=a", b"Token=a", b"token =a", b'token=""', b"token"])
def test_name_of_a_cookie_with_a_token_is_exact(cookies: bytes) -> None:
    assert _extract(cookies) == ()


@pytest.mark.parametrize(
    ("cookies", "header", "kind"),
    [
        (b"token=a", (b"x-session-token", b"t"), "x_session_token"),
        (b"token=a", BEARER, "cookie"),
        (b"token=", BEARER, "bearer"),
    ],
)
def test_cookie_with_a_token_ranks_with_the_session_cookies(cookies: bytes, header: Pair, kind: str) -> None:
    (credential,) = _extract(cookies, header)

    assert credential.kind == kind


def test_cookie_with_a_token_has_a_key_of_its_own() -> None:
    """Guards can share a store and differ in the names of their cookies."""
    hasher = CredentialHasher(b"k" * 32, "http://kratos.test", [b"s"], [b"token"])
    other = CredentialHasher(b"k" * 32, "http://kratos.test", [b"token"])
    credentials = [
        TokenCookie("cookie", b"token", b"v"),
        Credential("cookie", b"s", b"v"),
        Credential("x_session_token", b"", b"v"),
        Credential("bearer", b"", b"v"),
    ]
    keys = [hasher.cache_key(credential) for credential in credentials]

    assert len({*keys, other.cache_key(Credential("cookie", b"token", b"v"))}) == 5
