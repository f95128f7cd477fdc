"""Reads settings and identities from YAML, JSON or TOML files that use the keys of Kratos' configuration."""

import base64
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.config_keys import ALWAYS, FLOWS, KEYS, KRATOS_DEFAULTS, hint, is_ignored, notes
from ory_guard.testing.config_values import parse_boolean, parse_hooks, parse_string
from ory_guard.testing.settings import DEFAULT_METHODS, METHODS, Hook

__all__ = ["ConfigFile", "read_config", "read_identities"]

_PARSERS: Final[dict[str, Callable[[str], Any]]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}
_BASE64: Final = "base64://"
_HOOKS: Final = frozenset(
    {"session", "show_verification_ui", "require_verified_address", "revoke_active_sessions", "web_hook"}
)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The content of a configuration file.

    Attributes:
        fields: The fields of `FakeKratosSettings` that the file sets.
        notes: What the fake does instead of each feature that it does not support; each feature once.
    """

    fields: dict[str, Any]
    notes: tuple[str, ...]


def read_config(path: Path) -> ConfigFile:
    """Read the settings in a file.

    Keys without effect on the fake are accepted. A complete configuration, which names a `dsn`, has Kratos'
    defaults for all keys that it leaves out; other files have those of the fake.

    Args:
        path: A `.yaml`, `.yml`, `.json` or `.toml` file that uses the keys of Kratos' configuration. Paths of
            identity schemas are relative to it; those of a container, which do not exist here, are searched beside
            it.

    Raises:
        ConfigurationError: If the file cannot be read, or keys are unknown or values invalid; the message lists all
            of them.
    """
    document = _read(path)
    values = dict(_leaves("", document))
    fields: dict[str, Any] = dict(KRATOS_DEFAULTS) if "dsn" in values else {"methods": DEFAULT_METHODS}
    errors: list[str] = []
    for key, value in values.items():
        try:
            _add_field(path, key, value, fields)
        except (TypeError, ValueError, KeyError) as error:
            errors.append(f"{key} = {value!r}: {error}")
    if errors:
        raise ConfigurationError(f"{path}: {'; '.join(errors)}")
    if "dsn" in values and "default_return_url" in fields:
        fields.setdefault("logout_return_url", fields["default_return_url"])
        fields.setdefault("allowed_return_urls", (fields["default_return_url"],))
    return ConfigFile(fields, (*notes(values), *_notes_on_hooks(fields.get("hooks", {}))))


def _add_field(path: Path, key: str, value: object, fields: dict[str, Any]) -> None:
    flow, _, rest = key.removeprefix("selfservice.flows.").partition(".")
    method = key.removeprefix("selfservice.methods.").removesuffix(".enabled")
    if key in KEYS:
        name, read = KEYS[key]
        fields[name] = read(value)
    elif key in ALWAYS:
        ALWAYS[key](value)
    elif key == "identity.schemas":
        fields["identity_schemas"] = _schemas(path, value)
    elif flow in FLOWS and rest.endswith("hooks"):
        hooks = tuple(_with_local_body(path, hook) for hook in parse_hooks(value))
        fields["hooks"] = {**fields.get("hooks", {}), f"{flow}.{rest.removesuffix('.hooks')}": hooks}
    elif flow in FLOWS and rest.startswith("after.") and rest.endswith("default_browser_return_url"):
        name = ".".join([flow, *rest.split(".")[1:-1]])
        fields["return_urls"] = {**fields.get("return_urls", {}), name: parse_string(value)}
    elif method in METHODS and key == f"selfservice.methods.{method}.enabled":
        others = fields["methods"] - {method}
        fields["methods"] = others | {method} if parse_boolean(value) else others
    elif key != "identities" and not is_ignored(key):
        raise ValueError(f"unknown key; {hint(key)}")


def _notes_on_hooks(hooks: Mapping[str, tuple[Hook, ...]]) -> Iterator[str]:
    names = {str(hook["hook"]): key for key, configured in hooks.items() for hook in configured}
    for name, key in sorted(names.items()):
        if name not in _HOOKS:
            yield f"hook {name} (selfservice.flows.{key}) is not supported: it does not run"


def _schemas(path: Path, value: object) -> dict[str, Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) and entry.get("id") for entry in value):
        raise ValueError("expected a list of schemas, each with an id and a url")
    return {parse_string(entry["id"]): _schema(path, parse_string(entry.get("url", ""))) for entry in value}


def _schema(path: Path, url: str) -> Mapping[str, Any]:
    if url.startswith(_BASE64):
        document = json.loads(base64.b64decode(url.removeprefix(_BASE64), validate=True))
        if not isinstance(document, dict):
            raise ValueError("the schema must be a JSON object")
        return document
    name = _local_name(url)
    if not name:
        raise ValueError(
            f"the schema URL {url!r} must be a file:// or base64:// URL or a path; the fake downloads none"
        )
    return _read(_beside(path.parent, Path(name)))


def _local_name(url: str) -> str:
    """Return the path of a file:// URL or a path, and an empty string for other URLs."""
    parts = urlsplit(url)
    return unquote(parts.netloc + parts.path) if parts.scheme in {"", "file"} else ""


def _with_local_body(path: Path, hook: Hook) -> Hook:
    """Return a hook whose body, if it is a file, has its absolute path."""
    config = hook.get("config") or {}
    name = _local_name(str(config.get("body") or "")) if isinstance(config, dict) else ""
    if not name:
        return hook
    body = _beside(path.parent, Path(name)).absolute().as_uri()
    return {**hook, "config": {**config, "body": body}}


def _beside(folder: Path, name: Path) -> Path:
    """Return the path of a file; that of a container is searched in the folder, at last by its name alone."""
    if not name.is_absolute() or name.exists():
        return folder / name
    parts = name.parts[1:]
    candidates = [folder.joinpath(*parts[index:]) for index in range(len(parts))]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[-1])


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
    parse = _PARSERS.get(path.suffix)
    if parse is None:
        raise ConfigurationError(f"{path} must be a .yaml, .yml, .json or .toml file")
    try:
        document = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
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
        elif value is not None:
            yield key, value
