"""The method `webauthn`: security keys, whose form is shown but which cannot be registered."""

import base64
import hashlib
import json
import secrets
from typing import Any, ClassVar

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, node
from ory_guard.testing.flows.webauthn import SCRIPT_INTEGRITY
from ory_guard.testing.methods.method import Change, SettingsMethod
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.records import Identity, new_id

__all__ = ["WebAuthnMethod"]


class WebAuthnMethod(SettingsMethod):
    """Security keys; they require a browser."""

    name: ClassVar[str] = "webauthn"
    settings_buttons: ClassVar[tuple[str, ...]] = ("webauthn_register",)

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the fields for a new key to the form of a browser."""
        if flow.native:
            return
        settings = self.server.settings
        options = json.dumps(_creation_options(settings, identity), separators=(",", ":"))
        flow.ui.nodes += [
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

    def has_settings(self, flow: FakeFlow) -> bool:
        """Return whether the flow is that of a browser."""
        return not flow.native

    def change(self, submission: Submission) -> Change:
        """Reject a new key."""
        raise submission.rejected(4000001, {"reason": "The fake Kratos does not support security keys."})


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
