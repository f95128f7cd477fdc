"""Complete configurations of Kratos, as people have them."""

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from ory_guard.testing import FakeKratos, FakeKratosSettings
from ory_guard.testing.config_file import read_config
from ory_guard.testing.config_keys import hint

from .release_story import RELEASE

EXAMPLE = Path(__file__).parents[2] / "example_app" / "kratos" / "kratos.yml"
SCHEMA = {"properties": {"traits": {"type": "object", "properties": {"email": {"type": "string"}}}}}
RECORDED = sorted(path for path in (RELEASE / "config").glob("*.json") if "schema" not in path.name)


def write(folder: Path, **document: Any) -> Path:
    """Write a configuration in JSON, which is also YAML."""
    path = folder / "kratos.yaml"
    path.write_text(json.dumps(document))
    return path


def notes_of(folder: Path, **document: Any) -> tuple[str, ...]:
    """Return the notes about a configuration."""
    return read_config(write(folder, **document)).notes


@pytest.mark.parametrize("path", [EXAMPLE, *RECORDED], ids=lambda path: path.name)
def test_configurations_of_a_real_kratos_are_accepted(path: Path) -> None:
    settings = FakeKratosSettings(**read_config(path).fields)

    assert settings.version == "v26.2.0"
    assert [hook["hook"] for hook in settings.hooks_after("registration", "password")][-1] == "show_verification_ui"
    assert "oidc" not in settings.methods


def test_example_is_supported_completely() -> None:
    file = read_config(EXAMPLE)

    assert file.notes == ()
    assert file.fields["cors_enabled"] is True
    assert "email" in file.fields["identity_schemas"]["default"]["properties"]["traits"]["properties"]


def test_complete_configuration_has_the_defaults_of_kratos(tmp_path: Path) -> None:
    path = write(tmp_path, dsn="memory", selfservice={"default_browser_return_url": "http://127.0.0.1:4455/in"})
    settings = FakeKratosSettings(**read_config(path).fields)

    assert settings.methods == {"password", "profile", "code"}
    assert (settings.session_lifespan, settings.login_lifespan) == (86_400, 3_600)
    assert (settings.cacheable_sessions, settings.recovery_enabled, settings.verification_enabled) == (False,) * 3
    assert settings.session_after_registration is False
    assert settings.logout_return_url == "http://127.0.0.1:4455/in"
    assert settings.allowed_return_urls == ("http://127.0.0.1:4455/in",)


def test_other_files_change_the_defaults_of_the_fake(tmp_path: Path) -> None:
    fields = read_config(write(tmp_path, selfservice={"methods": {"totp": {"enabled": False}}})).fields

    assert fields.keys() == {"methods"}
    assert "webauthn" in fields["methods"]
    assert "totp" not in fields["methods"]


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

    assert read_config(write(tmp_path, identity={"schemas": schemas})).fields["identity_schemas"] == {
        "person": SCHEMA
    }


def test_values_of_flows_and_methods_are_read(tmp_path: Path) -> None:
    hooks = [{"hook": "require_verified_address"}]
    flows = {
        "login": {
            "style": "identifier_first",
            "after": {"default_browser_return_url": "http://a.test/", "password": {"hooks": hooks}},
        },
        "registration": {
            "style": "unified",
            "enabled": False,
            "after": {"code": {"default_browser_return_url": "http://b.test/"}},
        },
        "recovery": {"use": "link"},
    }
    methods = {
        "code": {"mfa_enabled": True, "config": {"max_submissions": 3}},
        "link": {"config": {"lifespan": "2m"}},
    }
    path = write(tmp_path, selfservice={"flows": flows, "methods": methods}, hashers={"algorithm": "argon2"})
    settings = FakeKratosSettings(**read_config(path).fields)

    assert (settings.login_style, settings.registration_enabled) == ("identifier_first", False)
    assert settings.two_steps_registration is False
    assert (settings.recovery_use, settings.link_lifespan) == ("link", 120)
    assert (settings.code_mfa_enabled, settings.code_max_submissions, settings.hasher) == (True, 3, "argon2")
    assert settings.return_urls == {"login": "http://a.test/", "registration.code": "http://b.test/"}
    assert settings.has_hook_after("login", "password", "require_verified_address") is True


def test_file_configures_passkeys_and_security_keys(tmp_path: Path) -> None:
    rp = {"id": "app.test", "display_name": "App", "origins": ["https://app.test", "https://www.app.test"]}
    methods = {
        "webauthn": {
            "enabled": True,
            "config": {"passwordless": True, "rp": {**rp, "icon": "https://app.test/i.png"}},
        },
        "passkey": {"enabled": True, "config": {"rp": rp}},
    }
    settings = FakeKratosSettings(**read_config(write(tmp_path, selfservice={"methods": methods})).fields)

    assert {"webauthn", "passkey"} <= settings.methods
    assert settings.webauthn_passwordless is True
    for name in ("webauthn", "passkey"):
        values = [getattr(settings, f"{name}_{key}") for key in ("id", "name", "origins")]
        assert values == ["app.test", "App", ("https://app.test", "https://www.app.test")]


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
    path = write(
        tmp_path,
        serve={"public": {"base_url": "https://id.app.test"}},
        selfservice={"methods": {"webauthn": {"config": {"rp": rp}}}},
    )

    assert FakeKratosSettings(**read_config(path).fields).webauthn_origins == expected


@pytest.mark.parametrize(
    ("document", "note"),
    [
        ({"oauth2_provider": {"url": "http://hydra.test"}}, "login_challenge"),
        ({"courier": {"templates": {"recovery": {"valid": {"email": {"subject": "x"}}}}}}, "text of the fake"),
        ({"feature_flags": {"use_continue_with_transitions": False}}, "always on"),
        ({"session": {"cookie": {"persistent": False}}}, "Max-Age"),
        (
            {"selfservice": {"methods": {"password": {"config": {"identifier_similarity_check_enabled": False}}}}},
            "always on",
        ),
        (
            {"session": {"whoami": {"tokenizer": {"templates": {"a": {"claims_mapper_url": "file://x.jsonnet"}}}}}},
            "Jsonnet is not evaluated",
        ),
        (
            {"selfservice": {"methods": {"oidc": {"config": {"providers": [{"id": "x", "provider": "github"}]}}}}},
            "consent page",
        ),
        (
            {"selfservice": {"flows": {"login": {"after": {"hooks": [{"hook": "b2b_sso"}]}}}}},
            "hook b2b_sso (selfservice.flows.login.after) is not supported",
        ),
    ],
    ids=str,
)
def test_unsupported_feature_is_named_once(tmp_path: Path, document: dict[str, Any], note: str) -> None:
    (found,) = notes_of(tmp_path, **document)

    assert note in found


def test_keys_without_effect_are_accepted(tmp_path: Path) -> None:
    rp = {"id": "localhost", "display_name": "x", "origins": ["http://localhost:4455"]}
    document = {
        "serve": {"public": {"port": 4433, "tls": {"cert": {"path": "x"}}, "cors": {"debug": True}}},
        "selfservice": {
            "methods": {
                "webauthn": {"config": {"passwordless": False, "rp": rp}},
                "passkey": {"enabled": False, "config": {"rp": rp}},
                "password": {"config": {"haveibeenpwned_enabled": True, "max_breaches": 3}},
            }
        },
        "session": {"cookie": {"persistent": True}, "earliest_possible_extend": None},
        "courier": {"smtp": {"connection_uri": "smtp://mail:25"}},
        "hashers": {"bcrypt": {"cost": 8}},
    }

    assert notes_of(tmp_path, **document) == ()


def test_fake_logs_what_it_does_not_support(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, oauth2_provider={"url": "http://hydra.test"})
    with caplog.at_level(logging.WARNING):
        FakeKratos.from_config(path)

    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: oauth2_provider is not supported: a login with login_challenge is an error"
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("session.lifetime", "did you mean session.lifespan?"),
        ("selfservice.flows.login.ui_urll", "did you mean selfservice.flows.login.ui_url?"),
        ("selfservice.methods.totp.config.isuer", "did you mean selfservice.methods.totp.config.issuer?"),
        (
            "selfservice.methods.webauthn.passwordless",
            "did you mean selfservice.methods.webauthn.config.passwordless?",
        ),
        ("cookie.secure", "did you mean cookies.secure?"),
        ("identity.schema", "did you mean identity.schemas?"),
        ("serve.public.base_uri", "did you mean serve.public.base_url?"),
        (
            "session.whoami.aal",
            "known keys of session.whoami: session.whoami.required_aal, session.whoami.tokenizer",
        ),
        ("sessions.a.b.c", "known keys: ciphers, clients, config, cookies, "),
    ],
)
def test_hint_names_a_similar_key_or_the_keys_of_the_section(key: str, expected: str) -> None:
    assert hint(key).startswith(expected)
