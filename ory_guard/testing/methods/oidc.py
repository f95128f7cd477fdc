"""The method `oidc`: social sign-in. The callback of the providers is in `ory_guard.testing.oidc`."""

from typing import Any, ClassVar

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.flows.ui_nodes import submit_node
from ory_guard.testing.methods.method import Change, LoginMethod, RegistrationMethod, SettingsMethod
from ory_guard.testing.oidc.redirect import OidcRedirects
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import touch
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.sessions import Sessions

__all__ = ["OidcMethod"]


class OidcMethod(LoginMethod, RegistrationMethod, SettingsMethod):
    """Buttons that redirect to the configured providers."""

    name: ClassVar[str] = "oidc"
    settings_buttons: ClassVar[tuple[str, ...]] = ("link", "unlink")
    needs_button: ClassVar[bool] = True

    def __init__(self, server: Server, sessions: Sessions, redirects: OidcRedirects) -> None:
        super().__init__(server, sessions)
        self._redirects = redirects

    def selects_login(self, fields: dict[str, Any], name: str) -> bool:
        """Return whether a submission names a provider, and no other method."""
        return name.lower() in {"", self.name} and bool(fields.get("provider"))

    def accepts_registration(self, submission: Submission, name: str) -> bool:
        """Return whether a submission names a provider, and no other method."""
        return self.selects_login(submission.fields, name)

    @property
    def login_aal(self) -> str:
        """The level of a first factor."""
        return "aal1"

    def fill_login(self, flow: FakeFlow) -> None:
        """Add a button for each provider."""
        self._fill(flow, [provider.id for provider in self.server.settings.oidc_providers], 1010002)

    def fill_identifier_step(self, flow: FakeFlow) -> None:
        """Add a button for each provider."""
        self.fill_login(flow)

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Show only the buttons of the identity's providers."""
        if identity is None:
            return False
        linked = identity.credentials.oidc_subjects
        flow.ui.nodes = [
            node for node in flow.ui.nodes if node["group"] != "oidc" or node["attributes"].get("value") in linked
        ]
        return bool(linked)

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add a button for each of the identity's providers."""
        linked = identity.credentials.oidc_subjects
        names = [provider.id for provider in self.server.settings.oidc_providers if provider.id in linked]
        self._fill(flow, names, 1010002)

    def log_in(self, submission: Submission) -> FakeResponse:
        """Redirect to the provider."""
        submission.require_csrf()
        return self._redirects.start(submission.request, submission.flow, submission.fields.get("provider"))

    def fill_registration(self, flow: FakeFlow) -> None:
        """Add a button for each provider, unless the first step has added them."""
        for provider in self.server.settings.oidc_providers:
            node = submit_node(
                "oidc", provider.id, 1040002, "provider", provider=provider.id, provider_id=provider.id
            )
            flow.ui.set_node(node)

    def register(self, submission: Submission) -> FakeResponse:
        """Redirect to the provider, and keep the submitted traits for the return."""
        traits = submission.fields["traits"]
        submission.flow.internal["oidc_traits"] = traits if isinstance(traits, dict) else {}
        return self.log_in(submission)

    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the buttons that link or unlink a provider; the last credential cannot be unlinked."""
        linked = identity.credentials.oidc_subjects
        removable = len(linked) + len(identity.credentials.first_factors) - bool(linked) > 1
        for provider in self.server.settings.oidc_providers:
            if provider.id not in linked:
                flow.ui.nodes.append(submit_node("oidc", provider.id, 1050002, "link", provider=provider.id))
            elif removable:
                flow.ui.nodes.append(submit_node("oidc", provider.id, 1050003, "unlink", provider=provider.id))

    def change(self, submission: Submission) -> Change | FakeResponse:
        """Redirect to the provider to link it, or unlink it."""
        if name := submission.fields.get("link"):
            return self._redirects.start(submission.request, submission.flow, name)
        credentials = submission.current_session.identity.credentials
        linked = credentials.oidc_subjects
        name = str(submission.fields.get("unlink"))
        is_last = credentials.password is None and len(linked) == 1
        if name not in linked or is_last:
            raise submission.rejected(4000001, {"reason": "This provider can't be disconnected."})
        del linked[name]
        touch(self.server, submission.current_session.identity)
        return Change.SAVED

    def _fill(self, flow: FakeFlow, names: list[str], label: int) -> None:
        flow.ui.nodes += [
            submit_node("oidc", name, label, "provider", provider=name, provider_id=name) for name in names
        ]
