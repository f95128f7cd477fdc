"""Credentials that the admin API imports: passwords, and the subjects of social sign-in providers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ory_guard.testing.api.json_bodies import check_fields
from ory_guard.testing.server.request import MalformedBodyError
from ory_guard.testing.server.response import ApiError

__all__ = ["ImportedCredentials", "imported_credentials"]

_HASH: Final = re.compile(
    r"\$(?:2[abzy]?|argon2id?|pbkdf2-sha[0-9]{1,3}|scrypt|sha(?:1|256|512)|firescrypt|md5|(?:md5|sha256|sha512)-crypt"
    r"|hmac-(?:md[45]|sha1|sha224|sha256|sha384|sha512))\$|\{SSHA(?:256|512)?\}"
)
_CREDENTIALS: Final[Mapping[str, type]] = {"password": dict, "oidc": dict, "saml": dict}
_PASSWORD: Final[Mapping[str, type]] = {
    "password": str,
    "hashed_password": str,
    "use_password_migration_hook": bool,
}
_PROVIDERS: Final[Mapping[str, type]] = {"providers": list}
_PROVIDER: Final[Mapping[str, type]] = {
    "subject": str,
    "provider": str,
    "use_auto_link": bool,
    "organization": str,
}


@dataclass(frozen=True, slots=True)
class ImportedCredentials:
    """The credentials in the body of a creation or an update.

    Attributes:
        password: The password, or None.
        subjects: The subject at each social sign-in provider.
    """

    password: str | None = None
    subjects: dict[str, str] = field(default_factory=dict)


def imported_credentials(body: Mapping[str, Any], *, allows_unknown: bool = False) -> ImportedCredentials:
    """Return the credentials in a body. The fake cannot verify hashed passwords, so it only checks their format.

    Raises:
        MalformedBodyError: If a field is unknown or has the wrong type.
        ApiError: If the format of a hashed password is unknown.
    """

    def member(parent: Mapping[str, Any], name: str, fields: Mapping[str, type]) -> dict[str, Any]:
        value: dict[str, Any] = parent.get(name) or {}
        check_fields(value, fields, allows_unknown=allows_unknown)
        return value

    credentials = member(body, "credentials", _CREDENTIALS)
    password = member(member(credentials, "password", {"config": dict}), "config", _PASSWORD)
    if (hashed := password.get("hashed_password")) and not _HASH.match(hashed):
        raise ApiError(400, reason="The format of the hashed password is not supported.")
    providers = member(member(credentials, "oidc", {"config": dict}), "config", _PROVIDERS).get("providers") or []
    for provider in providers:
        if not isinstance(provider, dict):
            raise MalformedBodyError("json: cannot unmarshal the value into the field providers")
        check_fields(provider, _PROVIDER, allows_unknown=allows_unknown)
    subjects = {str(entry.get("provider") or ""): str(entry.get("subject") or "") for entry in providers}
    return ImportedCredentials(password.get("password") or None, subjects)
