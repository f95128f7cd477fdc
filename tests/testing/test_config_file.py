"""Settings of the fake, from keyword arguments and from configuration files of Kratos."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing import FakeKratos, FakeKratosSettings, OidcProvider, TokenizerTemplate
from ory_guard.testing.config_file import read_config

EXAMPLE = Path(__file__).parents[2] / "example_app" / "kratos" / "kratos.yml"
SCHEMA = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}


def write(folder: Path, document: Any) -> Path:
    """Write a configuration in JSON, which is also YAML."""
    path = folder / "kratos.yaml"
    path.write_text(json.dumps(document))
    return path


CONFIG = """
cookies: {secure: false}
feature_flags: {cacheable_sessions: false, cacheable_sessions_max_age: 60}
hashers: {algorithm: argon2}
selfservice:
  default_browser_return_url: http://a.test/home
  allowed_return_urls: [http://a.test]
  flows:
    login:
      ui_url: http://a.test/sign-in
      lifespan: 1m30s
      style: identifier_first
      after:
        default_browser_return_url: http://a.test/
        password: {hooks: [{hook: require_verified_address}]}
    registration:
      style: unified
      enabled: false
      after:
        code: {default_browser_return_url: http://b.test/}
        password: {hooks: [{hook: session}]}
    recovery: {use: link}
    verification: {after: {default_browser_return_url: http://a.test/in}}
  methods:
    code: {mfa_enabled: true, config: {max_submissions: 3}}
    link: {config: {lifespan: 2m}}
    oidc: {enabled: true, config: {providers: [{id: mini, scope: [openid]}]}}
    passkey: {enabled: true, config: {rp: PARTY}}
    password: {config: {min_password_length: 12}}
    totp: {enabled: false}
    webauthn: {enabled: true, config: {passwordless: true, rp: PARTY}}
session:
  lifespan: 720h
  cookie: {same_site: Strict, path: /app, domain: example.test}
  whoami:
    required_aal: aal1
    tokenizer: {templates: {short: {ttl: 500ms, claims: {mail: a.b}, constants: {aud: api}}}}
""".replace("PARTY", "{id: app.test, display_name: App, origins: [https://app.test, https://www.app.test]}")
SETTINGS = {
    "cacheable_sessions": False,
    "cacheable_sessions_max_age": 60,
    "hasher": "argon2",
    "default_return_url": "http://a.test/home",
    "allowed_return_urls": ("http://a.test",),
    "login_ui_url": "http://a.test/sign-in",
    "login_lifespan": 90,
    "login_style": "identifier_first",
    "return_urls": {"login": "http://a.test/", "registration.code": "http://b.test/"},
    "registration_enabled": False,
    "two_steps_registration": False,
    "session_after_registration": True,
    "verification_after_registration": False,
    "recovery_use": "link",
    "verification_return_url": "http://a.test/in",
    "code_mfa_enabled": True,
    "code_max_submissions": 3,
    "link_lifespan": 120,
    "oidc_providers": (OidcProvider("mini", scope=("openid",)),),
    "min_password_length": 12,
    "methods": {"password", "profile", "lookup_secret", "code", "link", "oidc", "webauthn", "passkey"},
    "webauthn_passwordless": True,
    **{
        f"{method}_{name}": value
        for method in ("webauthn", "passkey")
        for name, value in {
            "id": "app.test",
            "name": "App",
            "origins": ("https://app.test", "https://www.app.test"),
        }.items()
    },
    "session_lifespan": 720 * 3600,
    "whoami_required_aal": "aal1",
    "tokenizer_templates": {"short": TokenizerTemplate(0.5, {"mail": "a.b"}, {"aud": "api"})},
    # The key `cookies` does not apply to the session cookie, and `session.cookie` to no other.
    "cookie_same_site": "Lax",
    "cookie_path": "/",
    "cookie_domain": None,
    "cookie_secure": False,
    "session_cookie_same_site": "Strict",
    "session_cookie_path": "/app",
    "session_cookie_domain": "example.test",
}


def test_file_sets_the_corresponding_settings(tmp_path: Path) -> None:
    path = tmp_path / "kratos.yml"
    path.write_text(CONFIG)
    settings = FakeKratosSettings(**read_config(path).fields)

    assert {name: getattr(settings, name) for name in SETTINGS} == SETTINGS
    assert settings.has_hook_after("login", "password", "require_verified_address")


def test_toml_file_configures_the_fake_and_its_identities(tmp_path: Path) -> None:
    path = tmp_path / "kratos.toml"
    seed = '[[identities]]\nemail = "ada@example.test"\nverified = true\ntotp = true\n'
    path.write_text(f'serve.public.base_url = "http://127.0.0.1:5000/"\n{seed}')
    fake = FakeKratos.from_config(str(path), public_url="http://127.0.0.1:6000")
    (ada,) = fake.identities

    assert FakeKratos.from_config(path).settings.public_url == "http://127.0.0.1:5000"
    assert fake.settings.public_url == "http://127.0.0.1:6000"
    assert (ada.traits["email"], ada.verifiable_addresses[0].verified) == ("ada@example.test", True)
    assert len(fake.totp_code(ada)) == 6


def test_identities_can_be_in_a_separate_file(tmp_path: Path) -> None:
    document = {"identities": [{"traits": {"email": "ada@example.test"}, "password": None}]}
    fake = FakeKratos()

    assert [ada.traits["email"] for ada in fake.seed(write(tmp_path, document))] == ["ada@example.test"]
    assert fake.identities[0].credentials.password is None


def test_older_key_selects_one_step(tmp_path: Path) -> None:
    flows = {"registration": {"enable_legacy_one_step": True}}

    assert read_config(write(tmp_path, {"selfservice": {"flows": flows}})).fields["two_steps_registration"] is False


def test_other_files_change_the_defaults_of_the_fake(tmp_path: Path) -> None:
    fields = read_config(write(tmp_path, {"selfservice": {"methods": {"totp": {"enabled": False}}}})).fields

    assert fields.keys() == {"methods"}
    assert "webauthn" in fields["methods"]


def test_example_is_supported_completely() -> None:
    file = read_config(EXAMPLE)

    assert file.notes == ()
    assert file.fields["cors_enabled"] is True
    assert "email" in file.fields["identity_schemas"]["default"]["properties"]["traits"]["properties"]


def test_complete_configuration_has_the_defaults_of_kratos(tmp_path: Path) -> None:
    path = write(
        tmp_path, {"dsn": "memory", "selfservice": {"default_browser_return_url": "http://127.0.0.1:4455/in"}}
    )
    settings = FakeKratosSettings(**read_config(path).fields)

    assert settings.methods == {"password", "profile", "code"}
    assert (settings.session_lifespan, settings.login_lifespan) == (86_400, 3_600)
    assert (settings.cacheable_sessions, settings.recovery_enabled, settings.verification_enabled) == (False,) * 3
    assert settings.session_after_registration is False
    assert settings.logout_return_url == "http://127.0.0.1:4455/in"
    assert settings.allowed_return_urls == ("http://127.0.0.1:4455/in",)


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("file:///etc/config/kratos/person.json", "person.json"),
        ("file:///etc/config/schemas/person.json", "schemas/person.json"),
        ("file://./person.json", "person.json"),
        ("schemas/person.json", "schemas/person.json"),
        ("file://{folder}/elsewhere.json", "elsewhere.json"),
        (f"base64://{base64.b64encode(json.dumps(SCHEMA).encode()).decode()}", "person.json"),
    ],
    ids=["container", "folder of a container", "file", "path", "absolute", "base64"],
)
def test_schema_is_found_beside_the_file(tmp_path: Path, url: str, location: str) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / location).write_text(json.dumps(SCHEMA))
    schemas = [{"id": "person", "url": url.replace("{folder}", str(tmp_path))}]

    fields = read_config(write(tmp_path, {"identity": {"schemas": schemas}})).fields

    assert fields["identity_schemas"] == {"person": SCHEMA}


@pytest.mark.parametrize(
    ("rp", "expected"),
    [
        ({"id": "app.test"}, ("https://app.test",)),
        ({"id": "app.test", "origin": "https://www.app.test"}, ("https://www.app.test",)),
    ],
)
def test_origins_of_security_keys_have_defaults(
    tmp_path: Path, rp: dict[str, str], expected: tuple[str, ...]
) -> None:
    methods = {"webauthn": {"config": {"rp": rp}}}
    document = {"serve": {"public": {"base_url": "https://id.app.test"}}, "selfservice": {"methods": methods}}
    path = write(tmp_path, document)

    assert FakeKratosSettings(**read_config(path).fields).webauthn_origins == expected


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
        (
            {"session": {"lifespan": "soon", "lifetime": 1}, "x": 1},
            "session.lifespan = .*; session.lifetime = .*; x = 1: ",
        ),
        ([], "must contain an object, such as .*identities.*, not a list"),
    ],
    ids=str,
)
def test_invalid_file_has_a_specific_error(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        FakeKratos.from_config(write(tmp_path, document))


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
