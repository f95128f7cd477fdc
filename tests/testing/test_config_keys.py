"""Keys of a configuration of Kratos that the fake does not support, or does not know."""

import json
from pathlib import Path
from typing import Any

import pytest

from ory_guard.testing import FakeKratos
from ory_guard.testing.config_file import read_config
from ory_guard.testing.config_keys import hint


def write(folder: Path, document: Any) -> Path:
    """Write a configuration."""
    path = folder / "kratos.json"
    path.write_text(json.dumps(document))
    return path


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
    (found,) = read_config(write(tmp_path, document)).notes

    assert note in found


def test_keys_without_effect_are_accepted(tmp_path: Path) -> None:
    cors = {
        "enabled": False,
        "allowed_origins": ["http://localhost:4455"],
        "allow_credentials": True,
        "debug": True,
    }
    rp = {"id": "localhost", "display_name": "x", "origins": ["http://localhost:4455"]}
    document = {
        "serve": {"public": {"port": 4433, "tls": {"cert": {"path": "x"}}, "cors": cors}},
        "selfservice": {
            "methods": {
                "webauthn": {"config": {"passwordless": False, "rp": {**rp, "icon": "http://localhost/i.png"}}},
                "passkey": {"enabled": False, "config": {"rp": rp}},
                "password": {"config": {"haveibeenpwned_enabled": True, "max_breaches": 3}},
            }
        },
        "session": {"cookie": {"persistent": True}, "earliest_possible_extend": None},
        "courier": {"smtp": {"connection_uri": "smtp://mail:25"}},
        "hashers": {"bcrypt": {"cost": 8}},
    }

    assert read_config(write(tmp_path, document)).notes == ()


def test_fake_logs_what_it_does_not_support(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, {"oauth2_provider": {"url": "http://hydra.test"}})
    FakeKratos.from_config(path)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"{path}: oauth2_provider is not supported: a login with login_challenge is an error")
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
