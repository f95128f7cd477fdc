"""The method `totp`: codes of an authenticator app."""

from typing import ClassVar, Final
from urllib.parse import quote

import pyotp
import segno

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import input_node, node, submit_node
from ory_guard.testing.methods.method import Change, LoginMethod, SettingsMethod
from ory_guard.testing.methods.submitted_text import require_text, without_value
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.store.identities import touch
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.second_factor import totp_matches, verify_totp

__all__ = ["TotpMethod"]

CODE_LENGTH: Final = 6
QR_SIZE: Final = 256
_FIELD: Final = "totp_code"


class TotpMethod(LoginMethod, SettingsMethod):
    """The second factor of an authenticator app."""

    name: ClassVar[str] = "totp"
    settings_buttons: ClassVar[tuple[str, ...]] = ("totp_unlink",)

    @property
    def login_aal(self) -> str:
        """The level of a second factor."""
        return "aal2"

    def fill_second_factor(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Add the field for the code."""
        if identity.credentials.totp_secret:
            flow.ui.set_node(input_node("totp", _FIELD, "text", "", message(1010006), required=True))
            flow.ui.set_node(submit_node("totp", "totp", 1010009))

    def log_in(self, submission: Submission) -> Identity:
        """Verify the code of the session's identity."""
        require_text(submission, _FIELD, CODE_LENGTH)
        submission.require_csrf()
        identity = submission.current_session.identity
        message_id = verify_totp(identity, submission.fields, self.server.totp_clock.time())
        if message_id is not None:
            raise without_value(submission, _FIELD, message_id)
        return identity

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the button that removes the app, or else a new secret as text and QR code."""
        if identity.credentials.totp_secret:
            flow.ui.nodes.append(
                input_node("totp", "totp_unlink", "submit", "true", message(1050004), required=True)
            )
            return
        secret = flow.internal["totp_secret"] = pyotp.random_base32(32)
        issuer = self.server.settings.totp_issuer
        account = self.server.schema_of(identity).account_name(identity.traits) or identity.id
        uri = f"otpauth://totp/{quote(f'{issuer}:{account}')}?secret={secret}&issuer={quote(issuer)}"
        image = {
            "src": segno.make(uri, error="m", micro=False).png_data_uri(scale=4),
            "id": "totp_qr",
            "width": QR_SIZE,
            "height": QR_SIZE,
        }
        text = {"text": message(1050006, {"secret": secret}), "id": "totp_secret_key"}
        flow.ui.nodes += [
            node("img", "totp", image, message(1050005)),
            node("text", "totp", text, message(1050017)),
            input_node("totp", _FIELD, "text", label=message(1070006), required=True),
            submit_node("totp", "totp", 1070003),
        ]

    def change(self, submission: Submission) -> Change:
        """Enroll an app after its first code, or remove it."""
        session, fields = submission.current_session, submission.fields
        credentials = session.identity.credentials
        if credentials.totp_secret:
            credentials.totp_secret = None if fields.get("totp_unlink") else credentials.totp_secret
        else:
            secret, code = submission.flow.internal["totp_secret"], fields.get(_FIELD)
            if not code:
                raise submission.rejected(4000002, {"property": _FIELD}, at=_FIELD)
            if not totp_matches(secret, code, self.server.totp_clock.time()):
                raise submission.rejected(4000008, at=_FIELD)
            credentials.totp_secret = secret
            self.sessions.add_method(session, "totp")
        touch(self.server, session.identity)
        return Change.SAVED
