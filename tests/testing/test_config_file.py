"""Settings of the fake, from keyword arguments and from files."""

import json
from pathlib import Path
from typing import Any

import pytest

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing import FakeKratos, OidcProvider, TokenizerTemplate

TOML = """
[serve.public]
base_url = "http://127.0.0.1:5000/"

[selfservice]
default_browser_return_url = "http://127.0.0.1:3000/home"
allowed_return_urls = ["http://127.0.0.1:3000"]

[selfservice.flows.login]
ui_url = "http://127.0.0.1:3000/sign-in"
lifespan = "1m30s"

[selfservice.flows.registration]
enable_legacy_one_step = true
after.password.hooks = [{ hook = "session" }]

[selfservice.methods.webauthn]
enabled = false

[selfservice.methods.oidc]
enabled = true
config.providers = [{ id = "mini", scope = ["openid"] }]

[selfservice.methods.password.config]
min_password_length = 12

[session]
lifespan = "720h"
whoami.required_aal = "aal1"
whoami.tokenizer.templates.short.ttl = "500ms"
whoami.tokenizer.templates.short.claims = { mail = "identity.traits.email" }
whoami.tokenizer.templates.short.constants = { aud = "api" }

[cookies]
secure = false

[feature_flags]
cacheable_sessions = false
cacheable_sessions_max_age = 60

[identity]
default_schema_id = "person"
schemas = [{ id = "person", url = "file://person.json" }, { id = "other", url = "other.json" }]

[[identities]]
email = "ada@example.test"
verified = true
totp = true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration file and its schemas."""
    schema = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}
    (tmp_path / "person.json").write_text(json.dumps(schema))
    (tmp_path / "other.json").write_text("{}")
    (tmp_path / "kratos.toml").write_text(TOML)
    return tmp_path


def test_file_sets_the_corresponding_settings(folder: Path) -> None:
    fake = FakeKratos.from_config(folder / "kratos.toml")
    settings = fake.settings

    assert settings.public_url == "http://127.0.0.1:5000"
    assert settings.default_return_url == "http://127.0.0.1:3000/home"
    assert (settings.login_ui_url, settings.login_lifespan) == ("http://127.0.0.1:3000/sign-in", 90)
    assert settings.session_lifespan == 720 * 3600
    assert (settings.session_after_registration, settings.verification_after_registration) == (True, False)
    assert settings.two_steps_registration is False
    assert settings.methods == {"password", "totp", "lookup_secret", "code", "link", "profile", "oidc"}
    assert settings.oidc_providers == (OidcProvider("mini", scope=("openid",)),)
    assert settings.tokenizer_templates == {
        "short": TokenizerTemplate(0.5, {"mail": "identity.traits.email"}, {"aud": "api"})
    }
    assert settings.cacheable_sessions_max_age == 60
    assert settings.identity_schemas.keys() == {"person", "other"}
    assert [identity.traits["email"] for identity in fake.identities] == ["ada@example.test"]
    assert len(fake.totp_code(fake.identities[0])) == 6


def test_keywords_override_the_file(folder: Path) -> None:
    fake = FakeKratos.from_config(str(folder / "kratos.toml"), public_url="http://127.0.0.1:6000")

    assert fake.settings.public_url == "http://127.0.0.1:6000"


def test_identities_can_be_in_a_separate_file(tmp_path: Path) -> None:
    path = tmp_path / "seed.json"
    path.write_text(json.dumps({"identities": [{"traits": {"email": "ada@example.test"}, "password": None}]}))
    fake = FakeKratos()

    assert [identity.traits["email"] for identity in fake.seed(path)] == ["ada@example.test"]
    assert fake.identities[0].credentials.password is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"session": {"lifetime": "1h"}}, "session.lifetime = '1h': unknown key; did you mean session.lifespan"),
        (
            {"selfservice": {"flows": {"recovery": {"use": "pigeon"}}}},
            "recovery_use must be one of code, link, not 'pigeon'",
        ),
        ({"x": 1}, "unknown key; known keys: ciphers, clients, "),
        ({"session": {"lifespan": "soon"}}, "session.lifespan = 'soon': expected a duration such as 1h"),
        ({"session": {"lifespan": True}}, "a duration such as 1h"),
        ({"session": {"cookie": {"name": 7}}}, "expected a string"),
        ({"cookies": {"secure": "no"}}, "expected true or false"),
        ({"selfservice": {"allowed_return_urls": "x"}}, "expected a list of strings"),
        (
            {"selfservice": {"methods": {"password": {"config": {"min_password_length": True}}}}},
            "expected an integer",
        ),
        ({"selfservice": {"flows": {"registration": {"style": "x"}}}}, "expected one of profile_first, unified"),
        ({"selfservice": {"methods": {"magic": {"enabled": True}}}}, "unknown key"),
        ({"selfservice": {"methods": {"oidc": {"config": {"providers": [{}]}}}}}, "each with an id"),
        ({"selfservice": {"flows": {"registration": {"after": {"hooks": ["session"]}}}}}, "a list of hooks"),
        ({"session": {"whoami": {"tokenizer": {"templates": {"a": 1}}}}}, "expected an object of templates"),
        ({"session": {"whoami": {"required_aal": "aal9"}}}, "whoami_required_aal must be one of aal1"),
        ({"identity": {"schemas": [{"url": "x"}]}}, "a list of schemas"),
        ({"identity": {"schemas": [{"id": "a", "url": "https://x.test/a.json"}]}}, "the fake downloads none"),
        ({"identity": {"schemas": [{"id": "a", "url": "base64://W10="}]}}, "the schema must be a JSON object"),
        ({"identity": {"schemas": [{"id": "a", "url": "none.json"}]}}, "none.json cannot be read"),
        ({"identities": {"ada": {}}}, "identities must be a list"),
        ({"identities": [{"mail": "x"}]}, "is invalid: .*mail"),
        ({"identities": [{"state": "banned"}]}, "state must be active or inactive"),
        ([], "must contain an object, such as .*identities.*, not a list"),
    ],
    ids=str,
)
def test_invalid_file_has_a_specific_error(tmp_path: Path, document: Any, message: str) -> None:
    path = tmp_path / "kratos.json"
    path.write_text(json.dumps(document))

    with pytest.raises(ConfigurationError, match=message):
        FakeKratos.from_config(path)


def test_error_lists_all_invalid_keys(tmp_path: Path) -> None:
    path = tmp_path / "kratos.json"
    path.write_text(json.dumps({"session": {"lifespan": "soon", "lifetime": 1}, "x": 1}))

    with pytest.raises(ConfigurationError, match=r"session.lifespan = .*; session.lifetime = .*; x = 1: "):
        FakeKratos.from_config(path)


def test_complete_kratos_configuration_is_accepted(tmp_path: Path) -> None:
    """Keys without effect on the fake are ignored, and fixed keys accept their only value."""
    path = tmp_path / "kratos.json"
    flow = {"enabled": True, "use": "code", "after": {"default_browser_return_url": "http://127.0.0.1:4455/in"}}
    document = {
        "version": "v26.2.0",
        "serve": {"admin": {"base_url": "http://127.0.0.1:4434/"}, "public": {"port": 4433}},
        "feature_flags": {"use_continue_with_transitions": True},
        "session": {"cookie": {"same_site": "Strict", "path": "/app", "domain": "example.test"}},
        "selfservice": {"methods": {"link": {"enabled": True}}, "flows": {"verification": flow}},
    }
    path.write_text(json.dumps(document))
    settings = FakeKratos.from_config(path).settings

    assert settings.verification_return_url == "http://127.0.0.1:4455/in"
    assert (settings.cookie_same_site, settings.cookie_path, settings.cookie_domain) == ("Lax", "/", None)
    assert settings.session_cookie_same_site == "Strict"
    assert (settings.session_cookie_path, settings.session_cookie_domain) == ("/app", "example.test")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.json", "cannot be read as .json: .*No such file"),
        ("kratos.yaml", "cannot be read as .yaml"),
        ("kratos", "must be a .yaml, .yml, .json or .toml file"),
    ],
)
def test_unreadable_file_has_a_specific_error(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "kratos.yaml").write_text("session: {")

    with pytest.raises(ConfigurationError, match=message):
        FakeKratos.from_config(tmp_path / name)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"public_url": "127.0.0.1:4433"}, "public_url must be an absolute"),
        ({"ui_url": "http://x.test/?a=b"}, "ui_url must be an absolute"),
        ({"session_lifespan": 0}, "session_lifespan must be greater than 0 seconds"),
        ({"methods": frozenset({"magic"})}, "methods must be one of code, .* not 'magic'"),
        ({"cookie_same_site": "Sloppy"}, "cookie_same_site must be one of Lax, Strict, None"),
        ({"session_cookie_same_site": "x"}, "session_cookie_same_site must be one of Lax, Strict, None"),
        ({"default_schema_id": "none"}, "default_schema_id must be one of default, not 'none'"),
    ],
    ids=str,
)
def test_invalid_setting_has_a_specific_error(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FakeKratos(**keywords)
