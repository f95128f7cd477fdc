"""The method `identifier_first`: the first step of a login that asks for the identifier before the credential."""

from collections.abc import Sequence
from typing import Any, ClassVar

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import submit_node
from ory_guard.testing.methods.method import LoginMethod
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.sessions import Sessions

__all__ = ["IdentifierFirstMethod"]


class IdentifierFirstMethod(LoginMethod):
    """The step that asks for the identifier. As in Kratos, it is the last method and takes what others do not.

    Args:
        server: The shared state of the fake.
        sessions: The session rules.
        methods: The methods of the second step.
    """

    name: ClassVar[str] = "identifier_first"

    def __init__(self, server: Server, sessions: Sessions, methods: Sequence[LoginMethod]) -> None:
        super().__init__(server, sessions)
        self._methods = methods

    def selects_login(self, fields: dict[str, Any], name: str) -> bool:
        """Return True: the method processes submissions that no other method accepts."""
        return True

    @property
    def is_enabled(self) -> bool:
        """Whether the configuration has this style of login."""
        return self.server.settings.login_style == "identifier_first"

    @property
    def login_aal(self) -> str | None:
        """The level of a first factor, if the configuration has this style of login."""
        return "aal1" if self.is_enabled else None

    def fill_identifier_step(self, flow: FakeFlow) -> None:
        """Add the field for the identifier."""
        node = self.server.schema.identifier_node("identifier_first", autocomplete="username webauthn")
        flow.ui.upsert(node)
        flow.ui.set_node(submit_node("identifier_first", "identifier_first", 1070009))

    def log_in(self, submission: Submission) -> FakeResponse:
        """Show the credentials of the identity with the submitted identifier."""
        submission.require_csrf()
        flow, identifier = submission.flow, submission.fields.get("identifier", "")
        identity = self.server.find_identity(identifier)
        flow.ui.set_value("identifier", identifier)
        filled = [
            method for method in self._methods if method.is_enabled and method.fill_credentials_step(flow, identity)
        ]
        if identity is None or not filled:
            raise submission.rejected(4000037, at="identifier")
        for method in filled:
            if shown := method.send_login_code_at_once(submission, identifier, identity):
                return shown
        flow.ui.remove(group="identifier_first", name="method")
        for node in flow.ui.iter_named("identifier"):
            node["attributes"]["type"] = "hidden"
        flow.active = self.name
        payload = submission.fields.get("transient_payload", {})
        return submission.endpoints.render(submission.request, flow, status=400, transient_payload=payload)
