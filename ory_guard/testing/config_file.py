"""Settings and seeds from files: JSON or TOML, under the keys of Kratos' own configuration."""

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

__all__ = ["read_identities", "read_settings"]

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def duration(value: object) -> float:
    """Read a Go duration such as `1h30m`, or a number of seconds, as seconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("a duration such as 1h, 90s or 1h30m is expected")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))


def text(value: object) -> str:
    """Return a text, and refuse anything else."""
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def flag(value: object) -> bool:
    """Return true or false, and refuse anything else."""
    if not isinstance(value, bool):
        raise TypeError("true or false is expected")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("a whole number is expected")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("a list of texts is expected")
    return tuple(text(one) for one in value)


def _providers(value: object) -> tuple[OidcProvider, ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("id") for one in value):
        raise ValueError("a list of providers is expected, each with an id")
    return tuple(
        OidcProvider(
            id=text(one["id"]),
            issuer_url=one.get("issuer_url"),
            client_id=text(one.get("client_id", "kratos")),
            scope=_texts(one.get("scope", ["openid", "email"])),
        )
        for one in value
    )


def _templates(value: object) -> dict[str, TokenizerTemplate]:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise ValueError("a table of templates is expected")
    return {
        name: TokenizerTemplate(
            duration(one.get("ttl", "1m")), dict(one.get("claims", {})), dict(one.get("constants", {}))
        )
        for name, one in value.items()
    }


_FLOWS: Final = ("login", "registration", "recovery", "verification", "settings")

KEYS: Final[dict[str, tuple[str, Callable[[object], Any]]]] = {
    "serve.public.base_url": ("public_url", text),
    "serve.public.cors.enabled": ("cors_enabled", flag),
    "serve.public.cors.allowed_origins": ("cors_allowed_origins", _texts),
    "selfservice.default_browser_return_url": ("default_return_url", text),
    "selfservice.allowed_return_urls": ("allowed_return_urls", _texts),
    "selfservice.flows.error.ui_url": ("error_ui_url", text),
    "selfservice.flows.logout.after.default_browser_return_url": ("logout_return_url", text),
    "selfservice.flows.verification.after.default_browser_return_url": ("verification_return_url", text),
    "selfservice.flows.settings.required_aal": ("settings_required_aal", text),
    "selfservice.flows.settings.privileged_session_max_age": ("privileged_session_max_age", duration),
    "selfservice.flows.registration.enable_legacy_one_step": (
        "two_steps_registration",
        lambda value: not flag(value),
    ),
    **{f"selfservice.flows.{flow}.ui_url": (f"{flow}_ui_url", text) for flow in _FLOWS},
    **{f"selfservice.flows.{flow}.lifespan": (f"{flow}_lifespan", duration) for flow in _FLOWS},
    "selfservice.methods.code.config.lifespan": ("code_lifespan", duration),
    "selfservice.methods.password.config.min_password_length": ("min_password_length", _number),
    "selfservice.methods.totp.config.issuer": ("totp_issuer", text),
    "selfservice.methods.webauthn.config.rp.display_name": ("webauthn_name", text),
    "selfservice.methods.webauthn.config.rp.id": ("webauthn_id", text),
    "selfservice.methods.oidc.config.providers": ("oidc_providers", _providers),
    "session.lifespan": ("session_lifespan", duration),
    "session.cookie.name": ("cookie_name", text),
    "session.cookie.path": ("cookie_path", text),
    "session.cookie.domain": ("cookie_domain", text),
    "session.cookie.same_site": ("cookie_same_site", text),
    "session.whoami.required_aal": ("whoami_required_aal", text),
    "session.whoami.tokenizer.templates": ("tokenizer_templates", _templates),
    "cookies.path": ("cookie_path", text),
    "cookies.domain": ("cookie_domain", text),
    "cookies.same_site": ("cookie_same_site", text),
    "cookies.secure": ("cookie_secure", flag),
    "feature_flags.cacheable_sessions": ("cacheable_sessions", flag),
    "feature_flags.cacheable_sessions_max_age": ("cacheable_sessions_max_age", duration),
    "identity.default_schema_id": ("default_schema_id", text),
}

FIXED: Final[dict[str, object]] = {
    "feature_flags.use_continue_with_transitions": True,
    "selfservice.flows.registration.enabled": True,
    "selfservice.flows.recovery.enabled": True,
    "selfservice.flows.recovery.use": "code",
    "selfservice.flows.verification.enabled": True,
    "selfservice.flows.verification.use": "code",
}
"""What the fake can't do otherwise."""

MEANINGLESS: Final = (
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
    "serve.admin",
    *(
        f"serve.public.cors.{name}"
        for name in ("allow_credentials", "allowed_headers", "allowed_methods", "exposed_headers", "max_age")
    ),
    "serve.public.host",
    "serve.public.port",
    "serve.public.request_log",
    "tracing",
    "version",
)
"""Keys and sections that a whole configuration of Kratos has, and that mean nothing to a fake."""


def read_settings(path: Path) -> dict[str, Any]:
    """Return the fields of `FakeKratosSettings` that a file sets.

    Args:
        path: A `.json` or `.toml` file under the keys of Kratos' configuration; texts in URLs such as `file://`
            for identity schemas are relative to it.

    Raises:
        ConfigurationError: The file can't be read, keys are unknown, or values are none of those allowed; all of
            them are named.
    """
    document = _read(path)
    fields: dict[str, Any] = {}
    faults: list[str] = []
    methods = set(METHODS)
    for key, value in _leaves("", document):
        if key == "identities" or any(f"{key}.".startswith(f"{section}.") for section in MEANINGLESS):
            continue
        try:
            fields |= _field(path, key, value, methods)
        except (TypeError, ValueError) as error:
            faults.append(f"{key} is {value!r}, but {error}")
    if faults:
        raise ConfigurationError(f"{path}: {'; '.join(faults)}")
    return {**fields, "methods": frozenset(methods)}


def _field(path: Path, key: str, value: object, methods: set[str]) -> dict[str, Any]:
    if key in KEYS:
        name, read = KEYS[key]
        return {name: read(value)}
    if key in FIXED:
        if value != FIXED[key]:
            raise ValueError(f"the fake knows no other way than {FIXED[key]!r}")
        return {}
    if key == "identity.schemas":
        return {"identity_schemas": _schemas(path, value)}
    if key.startswith("selfservice.flows.registration.after.") and key.endswith("hooks"):
        return _hooks(value)
    method = key.removeprefix("selfservice.methods.").removesuffix(".enabled")
    if method in METHODS and key == f"selfservice.methods.{method}.enabled":
        (methods.add if flag(value) else methods.discard)(method)
        return {}
    near = difflib.get_close_matches(key, KEYS, 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
    raise ValueError(f"no such key is known to the fake; {hint}")


def _hooks(value: object) -> dict[str, Any]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("a list of hooks is expected")
    names = {one.get("hook") for one in value}
    return {
        "session_after_registration": "session" in names,
        "verification_after_registration": "show_verification_ui" in names,
    }


def _schemas(path: Path, value: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) and one.get("id") for one in value):
        raise ValueError("a list of schemas is expected, each with an id and a url")
    return {text(one["id"]): _schema(path, text(one.get("url", ""))) for one in value}


def _schema(path: Path, url: str) -> Mapping[str, Any]:
    parts = urlsplit(url)
    name = unquote(parts.netloc + parts.path)
    if parts.scheme not in {"", "file"} or not name:
        raise ValueError(f"the schema's url {url!r} is none that names a file")
    return _read(path.parent / name)


def read_identities(path: Path) -> list[dict[str, Any]]:
    """Return the identities that a file lists under `identities`, as arguments of `FakeKratos.add_identity`.

    Raises:
        ConfigurationError: The file can't be read, or there is no such list.
    """
    found = _read(path).get("identities", [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise ConfigurationError(f"{path}: identities must be a list of tables, each with an email or traits")
    return found


def _read(path: Path) -> dict[str, Any]:
    if path.suffix not in {".json", ".toml"}:
        raise ConfigurationError(
            f"{path} can't be read: a .json or .toml file is expected (`yq -o json` makes JSON of Kratos' YAML)"
        )
    try:
        content = path.read_text(encoding="utf-8")
        document = tomllib.loads(content) if path.suffix == ".toml" else json.loads(content)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} can't be read as {path.suffix}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigurationError(
            f'{path} must hold a table, such as {{"identities": [...]}}, not a {type(document).__name__}'
        )
    return document


def _leaves(prefix: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and key not in KEYS:
            yield from _leaves(f"{key}.", value)
        else:
            yield key, value
