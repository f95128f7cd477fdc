"""The method `lookup_secret`: backup codes."""

import string
from typing import ClassVar, Final

from ory_guard.testing.clock import SECOND, timestamp
from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_messages import Message, message
from ory_guard.testing.flows.ui_nodes import Node, input_node, node, submit_node
from ory_guard.testing.methods.method import Change, LoginMethod, SettingsMethod
from ory_guard.testing.methods.submitted_text import require_text, without_value
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.store.identities import touch
from ory_guard.testing.store.records import Identity, random_string
from ory_guard.testing.store.second_factor import use_lookup_secret

__all__ = ["LookupSecretMethod"]

CODES: Final = 12
CODE_LENGTH: Final = 8
_ALPHABET: Final = string.ascii_lowercase + string.digits


class LookupSecretMethod(LoginMethod, SettingsMethod):
    """The second factor of backup codes."""

    name: ClassVar[str] = "lookup_secret"
    settings_buttons: ClassVar[tuple[str, ...]] = (
        "lookup_secret_regenerate",
        "lookup_secret_confirm",
        "lookup_secret_reveal",
        "lookup_secret_disable",
    )

    @property
    def login_aal(self) -> str:
        """The level of a second factor."""
        return "aal2"

    def fill_second_factor(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Add the field for a code."""
        if identity.credentials.lookup_codes:
            label = message(1010007)
            flow.ui.set_node(input_node("lookup_secret", "lookup_secret", "text", "", label, required=True))
            flow.ui.set_node(submit_node("lookup_secret", "lookup_secret", 1010010))

    def log_in(self, submission: Submission) -> Identity:
        """Use one of the codes of the session's identity."""
        require_text(submission, "lookup_secret", 1)
        submission.require_csrf()
        identity = submission.current_session.identity
        message_id = use_lookup_secret(identity, submission.fields, self.server.clock.time())
        if message_id is not None:
            raise without_value(submission, "lookup_secret", message_id)
        return identity

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the buttons that generate codes, or show and remove them."""
        if not identity.credentials.lookup_codes:
            flow.ui.nodes.append(submit_node("lookup_secret", "true", 1050008, "lookup_secret_regenerate"))
            return
        flow.ui.nodes += [
            submit_node("lookup_secret", "true", 1050007, "lookup_secret_reveal"),
            submit_node("lookup_secret", "true", 1050016, "lookup_secret_disable"),
        ]

    def change(self, submission: Submission) -> Change:
        """Show, generate, confirm or remove codes."""
        fields = submission.fields
        if fields.get("lookup_secret_regenerate"):
            return self._regenerate(submission.flow)
        if fields.get("lookup_secret_reveal"):
            return self._reveal(submission)
        return self._save(submission)

    def _regenerate(self, flow: FakeFlow) -> Change:
        codes = {random_string(CODE_LENGTH, _ALPHABET): 0 for _ in range(CODES)}
        flow.internal["lookup_codes"] = codes
        _show_codes(flow, codes)
        flow.ui.nodes.append(submit_node("lookup_secret", "true", 1050011, "lookup_secret_confirm"))
        return Change.DISPLAYED

    def _reveal(self, submission: Submission) -> Change:
        codes, flow = submission.current_session.identity.credentials.lookup_codes, submission.flow
        if not codes:
            raise submission.rejected(4000001, {"reason": "There are no backup codes to show."})
        _show_codes(flow, codes)
        flow.ui.nodes.append(submit_node("lookup_secret", "true", 1050016, "lookup_secret_disable"))
        flow.ui.nodes.append(submit_node("lookup_secret", "true", 1050008, "lookup_secret_regenerate"))
        return Change.DISPLAYED

    def _save(self, submission: Submission) -> Change:
        session, fields = submission.current_session, submission.fields
        if fields.get("lookup_secret_confirm"):
            codes = submission.flow.internal.pop("lookup_codes", {})
            if not codes:
                raise submission.rejected(4000001, {"reason": "Generate backup codes before confirming them."})
            session.identity.credentials.lookup_codes = codes
            self.sessions.add_method(session, "lookup_secret")
        elif fields.get("lookup_secret_disable"):
            session.identity.credentials.lookup_codes = {}
        else:
            raise submission.rejected(4010004)
        touch(self.server, session.identity)
        return Change.SAVED


def _show_codes(flow: FakeFlow, codes: dict[str, int]) -> None:
    flow.ui.remove(group="lookup_secret")
    flow.ui.nodes.append(_codes_node(codes))


def _codes_node(codes: dict[str, int]) -> Node:
    """Build the node that lists codes; used ones are marked as used."""
    items = [
        _used_code(used_at) if used_at else message(1050009, {"secret": code}) for code, used_at in codes.items()
    ]
    text = ", ".join("used" if used_at else code for code, used_at in codes.items())
    label = message(1050015, codes=text) | {"context": {"secrets": items}}
    return node("text", "lookup_secret", {"text": label, "id": "lookup_secret_codes"}, message(1050010))


def _used_code(used_at: int) -> Message:
    return message(1050014, {"used_at": timestamp(used_at * SECOND), "used_at_unix": used_at})
