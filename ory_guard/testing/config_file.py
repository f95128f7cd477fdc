"""Reads settings and identities from JSON or TOML files that use the keys of Kratos' configuration."""

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.settings import METHODS, OidcProvider, TokenizerTemplate

__all__ = ["parse_duration", "read_identities", "read_settings"]

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_DURATION_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def parse_duration(value: object) -> float:
    """Convert a Go duration such as `1h30m`, or a number of seconds, to seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("expected a duration such as 1h, 90s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))


def _string(value: object) -> str:
    """Return the value if it is a string; otherwise raise TypeError."""
    if not isinstance(value, str):
        raise TypeError("expected a string")
    return value


def _boolean(value: object) -> bool:
    """Return the value if it is a boolean; otherwise raise TypeError."""
    if not isinstance(value, bool):
        raise TypeError("expected true or false")
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("expected an integer")
    return value


def _strings(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("expected a list of strings")
    return tuple(_string(entry) for entry in value)


def _providers(value: object) -> tuple[OidcProvider, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("id") for entry in value):
        raise ValueError("expected a list of providers, each with an id")
    return tuple(
        OidcProvider(
            id=_string(entry["id"]),
            issuer_url=entry.get("issuer_url"),
            client_id=_string(entry.get("client_id", "kratos")),
            scope=_strings(entry.get("scope", ["openid", "email"])),
        )
        for entry in value
    )


def _templates(value: object) -> dict[str, TokenizerTemplate]:
    if not isinstance(value, dict) or not all(isinstance(template, dict) for template in value.values()):
        raise ValueError("expected an object of templates")
    return {
        name: TokenizerTemplate(
            parse_duration(template.get("ttl", "1m")),
            dict(template.get("claims", {})),
            dict(template.get("constants", {})),
        )
        for name, template in value.items()
    }


_FLOWS: Final = ("login", "registration", "recovery", "verification", "settings")

KEYS: Final[dict[str, tuple[str, Callable[[object], Any]]]] = {
    "serve.public.base_url": ("public_url", _string),
    "serve.admin.base_url": ("admin_url", _string),
    "serve.public.cors.enabled": ("cors_enabled", _boolean),
    "serve.public.cors.allowed_origins": ("cors_allowed_origins", _strings),
    "selfservice.default_browser_return_url": ("default_return_url", _string),
    "selfservice.allowed_return_urls": ("allowed_return_urls", _strings),
    "selfservice.flows.error.ui_url": ("error_ui_url", _string),
    "selfservice.flows.logout.after.default_browser_return_url": ("logout_return_url", _string),
    "selfservice.flows.verification.after.default_browser_return_url": ("verification_return_url", _string),
    "selfservice.flows.settings.required_aal": ("settings_required_aal", _string),
    "selfservice.flows.settings.privileged_session_max_age": ("privileged_session_max_age", parse_duration),
    "selfservice.flows.registration.enable_legacy_one_step": (
        "two_steps_registration",
        lambda value: not _boolean(value),
    ),
    **{f"selfservice.flows.{flow}.ui_url": (f"{flow}_ui_url", _string) for flow in _FLOWS},
    **{f"selfservice.flows.{flow}.lifespan": (f"{flow}_lifespan", parse_duration) for flow in _FLOWS},
    "selfservice.methods.code.config.lifespan": ("code_lifespan", parse_duration),
    "selfservice.methods.password.config.min_password_length": ("min_password_length", _integer),
    "selfservice.methods.totp.config.issuer": ("totp_issuer", _string),
    "selfservice.methods.webauthn.config.rp.display_name": ("webauthn_name", _string),
    "selfservice.methods.webauthn.config.rp.id": ("webauthn_id", _string),
    "selfservice.methods.oidc.config.providers": ("oidc_providers", _providers),
    "session.lifespan": ("session_lifespan", parse_duration),
    "session.cookie.name": ("cookie_name", _string),
    "session.cookie.path": ("cookie_path", _string),
    "session.cookie.domain": ("cookie_domain", _string),
    "session.cookie.same_site": ("cookie_same_site", _string),
    "session.whoami.required_aal": ("whoami_required_aal", _string),
    "session.whoami.tokenizer.templates": ("tokenizer_templates", _templates),
    "cookies.path": ("cookie_path", _string),
    "cookies.domain": ("cookie_domain", _string),
    "cookies.same_site": ("cookie_same_site", _string),
    "cookies.secure": ("cookie_secure", _boolean),
    "feature_flags.cacheable_sessions": ("cacheable_sessions", _boolean),
    "feature_flags.cacheable_sessions_max_age": ("cacheable_sessions_max_age", parse_duration),
    "identity.default_schema_id": ("default_schema_id", _string),
    "version": ("version", _string),
}

FIXED: Final[dict[str, object]] = {
    "feature_flags.use_continue_with_transitions": True,
    "selfservice.flows.registration.enabled": True,
    "selfservice.flows.recovery.enabled": True,
    "selfservice.flows.recovery.use": "code",
    "selfservice.flows.verification.enabled": True,
    "selfservice.flows.verification.use": "code",
}
"""Keys for which the fake supports a single value."""

IGNORED: Final = (
    "ciphers",
    "clients",
    "courier",
    "dev",
    "dsn",
    "hashers",
    "log",
    "secrets",
    "selfservice.methods.link",
    "selfservice.methods.password.config.haveibeenpwned_enabled",
    "serve.admin.host",
    "serve.admin.port",
    "serve.admin.request_log",
    *(
        f"serve.public.cors.{name}"
        for name in ("allow_credentials", "allowed_headers", "allowed_methods", "exposed_headers", "max_age")
    ),
    "serve.public.host",
    "serve.public.port",
    "serve.public.request_log",
    "tracing",
)
"""Keys and sections of a complete configuration that have no effect on the fake."""


def read_settings(path: Path) -> dict[str, Any]:
    """Return the fields of `FakeKratosSettings` that a file sets.

    Args:
        path: A `.json` or `.toml` file that uses the keys of Kratos' configuration. URLs of identity schemas
            (`file://`) are relative to it.

    Raises:
        ConfigurationError: If the file cannot be read, or keys are unknown or values invalid; the message lists all
            of them.
    """
    document = _read(path)
    fields: dict[str, Any] = {}
    errors: list[str] = []
    methods = set(METHODS)
    for key, value in _leaves("", document):
        if key == "identities" or any(f"{key}.".startswith(f"{section}.") for section in IGNORED):
            continue
        try:
            fields |= _field(path, key, value, methods)
        except (TypeError, ValueError) as error:
            errors.append(f"{key} = {value!r}: {error}")
    if errors:
        raise ConfigurationError(f"{path}: {'; '.join(errors)}")
    return {**fields, "methods": frozenset(methods)}


def _field(path: Path, key: str, value: object, methods: set[str]) -> dict[str, Any]:
    if key in KEYS:
        name, read = KEYS[key]
        return {name: read(value)}
    if key in FIXED:
        if value != FIXED[key]:
            raise ValueError(f"the fake only supports {FIXED[key]!r}")
        return {}
    if key == "identity.schemas":
        return {"identity_schemas": _schemas(path, value)}
    if key.startswith("selfservice.flows.registration.after.") and key.endswith("hooks"):
        return _hooks(value)
    method = key.removeprefix("selfservice.methods.").removesuffix(".enabled")
    if method in METHODS and key == f"selfservice.methods.{method}.enabled":
        (methods.add if _boolean(value) else methods.discard)(method)
        return {}
    similar = difflib.get_close_matches(key, KEYS, 1)
    hint = f"did you mean {similar[0]}?" if similar else f"supported keys: {', '.join(KEYS)}"
    raise ValueError(f"unknown key; {hint}")


def _hooks(value: object) -> dict[str, Any]:
    if not isinstance(value, list) or not all(isinstance(hook, dict) for hook in value):
        raise ValueError("expected a list of hooks")
    names = {hook.get("hook") for hook in value}
    return {
        "session_after_registration": "session" in names,
        "verification_after_registration": "show_verification_ui" in names,
    }


def _schemas(path: Path, value: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("id") for entry in value):
        raise ValueError("expected a list of schemas, each with an id and a url")
    return {_string(entry["id"]): _schema(path, _string(entry.get("url", ""))) for entry in value}


def _schema(path: Path, url: str) -> Mapping[str, Any]:
    parts = urlsplit(url)
    name = unquote(parts.netloc + parts.path)
    if parts.scheme not in {"", "file"} or not name:
        raise ValueError(f"the schema URL {url!r} must be a file:// URL or a path")
    return _read(path.parent / name)


def read_identities(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a file's `identities`: the arguments of `FakeKratos.add_identity`.

    Raises:
        ConfigurationError: If the file cannot be read, or `identities` is not a list of objects.
    """
    entries = _read(path).get("identities", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigurationError(f"{path}: identities must be a list of objects, each with an email or traits")
    return entries


def _read(path: Path) -> dict[str, Any]:
    if path.suffix not in {".json", ".toml"}:
        raise ConfigurationError(
            f"{path} must be a .json or .toml file (`yq -o json` converts Kratos' YAML to JSON)"
        )
    try:
        content = path.read_text(encoding="utf-8")
        document = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read as {path.suffix}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(
            f'{path} must contain an object, such as {{"identities": [...]}}, not a {type(document).__name__}'
        )
    return document


def _leaves(prefix: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in KEYS:
            yield from _leaves(f"{key}.", value)
        else:
            yield key, value
