"""The forms of settings flows: profile, password, providers, lookup secrets, security keys, TOTP."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import pyotp
import segno

from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Node, Ui, input_node, node, password_node, submit_node
from ory_guard.testing.flows.webauthn import SCRIPT_INTEGRITY
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Identity, new_id

__all__ = ["fill_settings", "lookup_codes_node", "new_totp_secret", "show_traits"]

QR_SIZE = 256
_KINDS: Final = {bool: "checkbox", int: "number", float: "number"}


def fill_settings(
    ui: Ui,
    settings: FakeKratosSettings,
    schema: IdentitySchema,
    identity: Identity,
    totp_secret: str,
    *,
    native: bool,
) -> None:
    """Add the form of each enabled method; security keys require a browser."""
    if settings.enabled("profile"):
        ui.nodes += [trait.node("profile", identity.traits) for trait in schema.traits]
        ui.nodes.append(submit_node("profile", "profile", 1070003))
    if settings.enabled("password"):
        ui.nodes += [password_node("new-password"), submit_node("password", "password", 1070003)]
    if settings.enabled("oidc"):
        ui.nodes += _provider_nodes(settings, identity)
    if settings.enabled("lookup_secret"):
        ui.nodes += _lookup_nodes(identity)
    if settings.enabled("webauthn") and not native:
        ui.nodes += _webauthn_nodes(settings, identity)
    if settings.enabled("totp"):
        ui.nodes += _totp_nodes(settings, schema, identity, totp_secret)


def show_traits(ui: Ui, traits: Any) -> None:
    """Fill submitted traits into the form. As in Kratos, traits that the schema does not have get fields, too."""
    for entry in ui.nodes:
        if _is_trait(entry):
            entry["attributes"].pop("value", None)
            entry["messages"] = []
    for name, value in _flatten(traits, "traits") if isinstance(traits, dict) else ():
        field = ui.find(name)
        if field is None:
            position = 1 + max(index for index, entry in enumerate(ui.nodes) if _is_trait(entry) and entry["meta"])
            field = input_node("profile", name, _KINDS.get(type(value), "text"))
            ui.nodes.insert(position, field)
        if value is not None:
            field["attributes"]["value"] = value


def _is_trait(entry: Node) -> bool:
    return str(entry["attributes"].get("name", "")).startswith("traits.")


def _flatten(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in members:
            yield from _flatten(inner, f"{path}.{name}")
    else:
        yield path, value


def new_totp_secret() -> str:
    """Return a new TOTP secret."""
    return pyotp.random_base32(32)


def lookup_codes_node(codes: dict[str, bool]) -> Node:
    """Build the node that lists lookup secrets; used ones are marked as used."""
    items = [message(1050014) if used else message(1050009, {"secret": code}) for code, used in codes.items()]
    text = ", ".join(code if not used else "used" for code, used in codes.items())
    label = message(1050015, codes=text) | {"context": {"secrets": items}}
    return node("text", "lookup_secret", {"text": label, "id": "lookup_secret_codes"}, message(1050010))


def _provider_nodes(settings: FakeKratosSettings, identity: Identity) -> list[Node]:
    linked = identity.credentials.oidc_subjects
    removable = len(linked) + len(identity.credentials.first_factors) - bool(linked) > 1
    nodes = []
    for provider in settings.oidc_providers:
        if provider.id not in linked:
            nodes.append(submit_node("oidc", provider.id, 1050002, "link", provider=provider.id))
        elif removable:
            nodes.append(submit_node("oidc", provider.id, 1050003, "unlink", provider=provider.id))
    return nodes


def _lookup_nodes(identity: Identity) -> list[Node]:
    if not identity.credentials.lookup_codes:
        return [submit_node("lookup_secret", "true", 1050008, "lookup_secret_regenerate")]
    return [
        submit_node("lookup_secret", "true", 1050007, "lookup_secret_reveal"),
        submit_node("lookup_secret", "true", 1050016, "lookup_secret_disable"),
    ]


def _webauthn_nodes(settings: FakeKratosSettings, identity: Identity) -> list[Node]:
    options = json.dumps(_creation_options(settings, identity), separators=(",", ":"))
    return [
        input_node("webauthn", "webauthn_register_displayname", "text", "", message(1050013)),
        input_node("webauthn", "webauthn_register", "hidden", ""),
        input_node(
            "webauthn",
            "webauthn_register_trigger",
            "button",
            options,
            message(1050012),
            onclick=f"window.oryWebAuthnRegistration({options})",
            onclickTrigger="oryWebAuthnRegistration",
        ),
        node(
            "script",
            "webauthn",
            {
                "src": f"{settings.public_url}/.well-known/ory/webauthn.js",
                "async": True,
                "referrerpolicy": "no-referrer",
                "crossorigin": "anonymous",
                "integrity": SCRIPT_INTEGRITY,
                "type": "text/javascript",
                "id": "webauthn_script",
                "nonce": new_id(),
            },
        ),
    ]


def _creation_options(settings: FakeKratosSettings, identity: Identity) -> dict[str, Any]:
    handle = hashlib.sha256(identity.id.encode()).digest()[:16]
    name = settings.webauthn_name
    return {
        "publicKey": {
            "rp": {"name": name, "id": settings.webauthn_id},
            "user": {"name": name, "displayName": name, "id": _unpadded(handle)},
            "challenge": _unpadded(secrets.token_bytes(32)),
            "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in (-7, -257, -8)],
            "timeout": 120_000,
            "authenticatorSelection": {"userVerification": "discouraged"},
        }
    }


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _totp_nodes(
    settings: FakeKratosSettings,
    schema: IdentitySchema,
    identity: Identity,
    secret: str,
) -> list[Node]:
    if identity.credentials.totp_secret:
        return [input_node("totp", "totp_unlink", "submit", "true", message(1050004), required=True)]
    account = schema.account_name(identity.traits) or identity.id
    label = quote(f"{settings.totp_issuer}:{account}")
    uri = f"otpauth://totp/{label}?secret={secret}&issuer={quote(settings.totp_issuer)}"
    image = {
        "src": segno.make(uri, error="m", micro=False).png_data_uri(scale=4),
        "id": "totp_qr",
        "width": QR_SIZE,
        "height": QR_SIZE,
    }
    text = {"text": message(1050006, {"secret": secret}), "id": "totp_secret_key"}
    return [
        node("img", "totp", image, message(1050005)),
        node("text", "totp", text, message(1050017)),
        input_node("totp", "totp_code", "text", label=message(1070006), required=True),
        submit_node("totp", "totp", 1070003),
    ]
