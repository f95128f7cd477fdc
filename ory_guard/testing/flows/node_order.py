"""The order of nodes in the forms of login and registration, by Kratos' algorithm."""

from typing import Final

from ory_guard.testing.flows.ui_nodes import Node

__all__ = ["LOGIN_GROUPS", "LOGIN_KEYS", "REGISTRATION_GROUPS", "registration_keys", "sort_nodes"]

LOGIN_GROUPS: Final = ("oidc", "default", "webauthn", "passkey", "code", "password", "totp", "lookup_secret")
LOGIN_KEYS: Final = ("csrf_token", "identifier", "password")
REGISTRATION_GROUPS: Final = (
    "oidc",
    "saml",
    "default",
    "webauthn",
    "passkey",
    "code",
    "password",
    "captcha",
    "profile",
)
_WEBAUTHN_KEYS: Final = ("webauthn_remove", "webauthn_register_displayname", "webauthn_register")
_MIXED_GROUPS: Final = {"default", "password"}


def registration_keys(traits: list[str]) -> tuple[str, ...]:
    """Return the keys of a registration form: the password follows the first trait."""
    return ("csrf_token", *traits[:1], "password", *traits[1:], *_WEBAUTHN_KEYS)


def sort_nodes(nodes: list[Node], groups: tuple[str, ...], keys: tuple[str, ...]) -> list[Node]:
    """Return nodes sorted by group, and within a group by key and value; `method` comes last.

    Groups that are not listed come first. The comparison is not transitive, so the insertion sort is part of the
    result: as in Kratos, nodes of different groups keep their places, except those of `default` and `password`.
    """
    ordered = sorted(nodes, key=lambda node: groups.index(node["group"]) if node["group"] in groups else -1)
    for end in range(1, len(ordered)):
        index = end
        while index and _precedes(ordered[index], ordered[index - 1], keys):
            ordered[index], ordered[index - 1] = ordered[index - 1], ordered[index]
            index -= 1
    return ordered


def _precedes(node: Node, other: Node, keys: tuple[str, ...]) -> bool:
    groups = {node["group"], other["group"]}
    if len(groups) > 1 and groups != _MIXED_GROUPS:
        return False
    return _rank(node, keys) < _rank(other, keys)


def _rank(node: Node, keys: tuple[str, ...]) -> tuple[int, str]:
    name = str(node["attributes"].get("name") or node["attributes"].get("id", ""))
    value = node["attributes"].get("value")
    text = "<nil>" if value is None else str(value)  # the text that Go has for no value
    if name == "method":
        return len(keys) + 1, text
    return next((index for index, key in enumerate(keys) if name.startswith(key)), len(keys)), text
