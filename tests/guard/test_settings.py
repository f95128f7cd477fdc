"""`GuardSettings`: defaults, validation, normalization and environment variables."""

import ast
import inspect
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ory_guard import GuardSettings
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard import settings

KRATOS = "http://127.0.0.1:4433"
APP = "https://app.example.com"


def make(**fields: Any) -> GuardSettings:
    return GuardSettings(**{"kratos_public_url": KRATOS, "app_url": APP, **fields})


def test_declared_signature_has_the_settings() -> None:
    """Type checkers read it; it can't be compared at run time, when pydantic makes another one."""
    tree = ast.parse(inspect.getsource(settings))
    (declared,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    required = [
        argument.arg
        for argument, default in zip(declared.args.kwonlyargs, declared.args.kw_defaults, strict=True)
        if default is None
    ]

    assert [argument.arg for argument in declared.args.kwonlyargs] == list(GuardSettings.model_fields)
    assert required == [name for name, field in GuardSettings.model_fields.items() if field.is_required()]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"credentials": ("bearer",)}, r"without 'cookie' in credentials: add 'cookie' to credentials"),
        (
            {"token_cookie_names": ("ory_kratos_session",)},
            "'ory_kratos_session' is a session cookie by cookie_names",
        ),
        ({"token_cookie_names": ("a", "app_x"), "cookie_names": ("s", "app_*")}, "'app_x' is a session cookie"),
    ],
)
def test_cookies_with_tokens_are_no_session_cookies(fields: dict[str, Any], message: str) -> None:
    """They need `cookie` among the credentials, and no name that `cookie_names` matches."""
    with pytest.raises(ConfigurationError, match=f"token_cookie_names: .*{message}"):
        make(**{"token_cookie_names": ("app_token",), **fields})


def test_names_of_cookies_with_tokens_may_resemble_those_of_session_cookies() -> None:
    names = ("app", "APP_x", "ory_kratos_session_x")

    assert make(cookie_names=("app_*", "ory_kratos_session"), token_cookie_names=names).token_cookie_names == names


def test_settings_are_immutable() -> None:
    """The parts of a guard read them only once."""
    with pytest.raises(ValidationError):
        make().timeout = 5.0  # type: ignore[misc] # the point of the test


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("kratos_public_url", "127.0.0.1:4433", "absolute http:// or https:// URL"),
        ("kratos_public_url", "http:///x", "with a host"),
        ("kratos_public_url", "http+unix:///run/kratos.sock", "http+unix://%2Frun%2Fkratos.sock"),
        ("kratos_browser_url", "http+unix://%2Frun%2Fkratos.sock", "absolute http:// or https:// URL"),
        ("kratos_public_url", "http://kratos?", "query or a fragment"),
        ("kratos_public_url", "http://kratos#x", "query or a fragment"),
        ("kratos_public_url", "http://kratos:99999", "out of range"),
        ("kratos_public_url", "http://[::1", "Invalid IPv6 URL"),
        ("kratos_public_url", "http://kra tos", "without spaces"),
        ("kratos_public_url", "http://kratos\\evil", "backslashes"),
        ("kratos_public_url", "http://krätos", "ASCII"),
        ("kratos_public_url", 4433, "valid string"),
        ("app_url", "https://app.example.com%2eevil.test", "one exact host"),
        ("app_url", "/app", "absolute"),
        ("login_url", "https://app.example.com/login#top", "fragment"),
        ("whoami_required_aal", "aal2", "'highest_available' or 'aal1'"),
        ("credentials", (), "at least 1 item"),
        ("credentials", ("cookies",), "'x_session_token', 'cookie' or 'bearer'"),
        ("cookie_names", (), "at least 1 item"),
        ("cookie_names", ("*",), "cookie name"),
        ("cookie_names", ("ory_*_session",), "trailing *"),
        ("cookie_names", ("ory session",), "cookie name"),
        ("token_cookie_names", ("app_*",), "without a wildcard"),
        ("token_cookie_names", ("app token",), "cookie name"),
        ("cache_ttl", -1, "greater than or equal to 0"),
        ("cache_ttl", float("nan"), "finite"),
        ("cache_ttl", 86_401, "less than or equal to 86400"),
        ("disconnected_ttl", -1, "greater than or equal to 0"),
        ("disconnected_ttl", 86_401, "less than or equal to 86400"),
        ("negative_ttl", 61, "less than or equal to 60"),
        ("max_sessions", 0, "greater than or equal to 1"),
        ("timeout", 0, "greater than 0"),
        ("timeout", float("inf"), "finite"),
        ("max_response_bytes", 1_023, "greater than or equal to 1024"),
        ("max_upstream_concurrency", 0, "greater than or equal to 1"),
        ("clock_skew", 601, "less than or equal to 600"),
        ("trusted_origins", ("https://a.example.com/path",), "an origin"),
        ("trusted_origins", ("https://*.example.com",), "one exact host"),
        ("trusted_origins", ("https://a.example.com?x",), "an origin"),
        ("exempt_paths", ("/*",), "prefix such as /static/*"),
        ("exempt_paths", ("/health?full",), "decoded path"),
    ],
)
def test_error_contains_field_value_and_valid_values(field: str, value: Any, allowed: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(**{field: value})

    text = str(caught.value)
    assert text.startswith(field)
    assert allowed in text
    shown = value[0] if isinstance(value, tuple) and value else value
    assert repr(shown) in text


def test_error_contains_all_invalid_fields() -> None:
    with pytest.raises(ConfigurationError) as caught:
        GuardSettings(app_url=APP, timeout=0, color="red")  # type: ignore[call-arg] # the point of the test

    assert "kratos_public_url is required (set ORY_GUARD_KRATOS_PUBLIC_URL)" in str(caught.value)
    assert "timeout: 0 is not allowed" in str(caught.value)
    assert "unknown setting color; valid settings: kratos_public_url, " in str(caught.value)
    assert "kratos_browser_url:" not in str(caught.value)


def test_url_with_password_is_rejected_and_not_shown() -> None:
    """The text may be logged."""
    with pytest.raises(ConfigurationError) as caught:
        make(kratos_public_url="http://admin:hunter2@kratos")

    assert "must not contain a user name or password" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_app_url_is_required_for_cookies() -> None:
    """Without it, `return_to` would have to start with the `Host` of the request."""
    with pytest.raises(ConfigurationError, match=r"app_url is required \(set ORY_GUARD_APP_URL\)"):
        GuardSettings(kratos_public_url=KRATOS)

    assert GuardSettings(kratos_public_url=KRATOS, credentials=("bearer",)).app_url is None


@pytest.mark.parametrize(
    ("url", "normalized"),
    [
        ("HTTPS://App.Example.COM:443/", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:8080/prefix/", "http://app.example.com:8080/prefix"),
        ("http://[::1]:4455/", "http://[::1]:4455"),
        ("http://[::1]", "http://[::1]"),
    ],
)
def test_urls_are_normalized(url: str, normalized: str) -> None:
    """Origin checks and cache keys compare them as text."""
    settings = make(kratos_public_url=url, app_url=url)

    assert settings.kratos_public_url == settings.app_url == normalized


@pytest.mark.parametrize(
    ("field", "value", "normalized"),
    [
        (
            "login_url",
            "https://App.example.com/login?organization=o1",
            "https://app.example.com/login?organization=o1",
        ),
        ("login_url", "https://app.example.com", "https://app.example.com/"),
        ("trusted_origins", ("https://Admin.example.com:443/",), ("https://admin.example.com",)),
    ],
)
def test_urls_with_a_query_and_origins_are_normalized(field: str, value: Any, normalized: Any) -> None:
    """An origin with the default port or in upper case would never match an `Origin` header."""
    assert getattr(make(**{field: value}), field) == normalized


ORIGINS = st.builds(
    lambda scheme, host, port: f"{scheme}://{host}{port}",
    st.sampled_from(["http", "https"]),
    st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,5})?", fullmatch=True),
    st.integers(1, 65_535).map(lambda port: f":{port}") | st.just(""),
)
FIELDS = st.fixed_dictionaries(
    {"kratos_public_url": ORIGINS, "app_url": ORIGINS},
    optional={
        "kratos_browser_url": ORIGINS,
        "login_url": ORIGINS,
        "whoami_required_aal": st.sampled_from(["highest_available", "aal1"]),
        "credentials": st.lists(st.sampled_from(["x_session_token", "cookie", "bearer"]), min_size=1).map(tuple),
        "cookie_names": st.just(("ory_session_*", "acme")),
        "cache_ttl": st.floats(0, 86_400),
        "disconnected_ttl": st.floats(0, 86_400),
        "negative_ttl": st.integers(0, 60),
        "max_sessions": st.integers(1, 10_000_000),
        "timeout": st.floats(0.001, 60),
        "trusted_origins": st.lists(ORIGINS, max_size=3).map(tuple),
        "exempt_paths": st.just(("/health", "/ä b", "/static/*")),
    },
)


@given(FIELDS)
def test_settings_survive_a_round_trip(fields: dict[str, Any]) -> None:
    """Normalization is idempotent."""
    settings = GuardSettings(**fields)

    assert GuardSettings(**settings.model_dump()) == settings
    assert GuardSettings.model_validate_json(settings.model_dump_json()) == settings


@given(st.text(max_size=40))
def test_invalid_url_raises_no_error_but_configuration_error(text: str) -> None:
    try:
        settings = make(kratos_public_url=text)
    except ConfigurationError:
        return
    assert settings.kratos_public_url.startswith(("http://", "https://"))


# --- the environment

REQUIRED = {"ORY_GUARD_KRATOS_PUBLIC_URL": KRATOS, "ORY_GUARD_APP_URL": APP}


def from_env(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> GuardSettings:
    for name, value in {**REQUIRED, **variables}.items():
        monkeypatch.setenv(name, value)
    return GuardSettings.from_env()


@pytest.mark.parametrize(
    ("variables", "fields"),
    [
        ({"ORY_GUARD_CREDENTIALS": "cookie, bearer"}, {"credentials": ("cookie", "bearer")}),
        ({"ORY_GUARD_COOKIE_NAMES": "acme_session"}, {"cookie_names": ("acme_session",)}),
        ({"ORY_GUARD_TOKEN_COOKIE_NAMES": "token, __Host-t"}, {"token_cookie_names": ("token", "__Host-t")}),
        ({"ORY_GUARD_CACHE_TTL": "1.5", "ORY_GUARD_MAX_SESSIONS": "20"}, {"cache_ttl": 1.5, "max_sessions": 20}),
        ({"ory_guard_timeout": "3"}, {"timeout": 3}),
        pytest.param({"ORY_GUARD_LOGIN_URL": ""}, {}, id="compose files pass unset variables as empty ones"),
        pytest.param({"ORY_GUARD_LIVE_KRATOS": KRATOS}, {}, id="variable of the live tests"),
    ],
)
def test_variables_set_fields(
    variables: dict[str, str], fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert from_env(monkeypatch, variables) == make(**fields)


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        (
            {"ORY_GUARD_CACHE_TLL": "0"},
            "unknown setting ORY_GUARD_CACHE_TLL; valid settings: ORY_GUARD_KRATOS_PUBLIC_URL",
        ),
        ({"ORY_GUARD_TIMEOUT": "soon"}, "timeout: 'soon' is not allowed: .*valid number"),
    ],
)
def test_invalid_variable_is_an_error(
    variables: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelled variable must not leave the default in effect."""
    with pytest.raises(ConfigurationError, match=text):
        from_env(monkeypatch, variables)
