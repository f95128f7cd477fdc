"""Settings and seeds from files: JSON or TOML, under the keys of Kratos' own configuration."""

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.config import METHODS
from ory_guard.testing.config_keys import FIXED, KEYS, MEANINGLESS, flag, text

__all__ = ["read_identities", "read_settings"]


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
