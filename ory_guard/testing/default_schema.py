"""The identity schema of the recordings, which a fake has by default."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["DEFAULT_SCHEMA"]

DEFAULT_SCHEMA: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "$id": "https://schemas.example.test/person.schema.json",
        "title": "Person",
        "type": "object",
        "properties": {
            "traits": {
                "type": "object",
                "properties": {
                    "email": {
                        "type": "string",
                        "format": "email",
                        "title": "E-Mail",
                        "ory.sh/kratos": {
                            "credentials": {
                                "password": {"identifier": True},
                                "totp": {"account_name": True},
                                "webauthn": {"identifier": True},
                                "passkey": {"display_name": True},
                            },
                            "recovery": {"via": "email"},
                            "verification": {"via": "email"},
                        },
                    },
                    "name": {
                        "type": "object",
                        "properties": {
                            "first": {"type": "string", "title": "First Name"},
                            "last": {"type": "string", "title": "Last Name"},
                        },
                        "additionalProperties": False,
                    },
                },
                "required": ["email"],
                "additionalProperties": False,
            }
        },
    }
)
