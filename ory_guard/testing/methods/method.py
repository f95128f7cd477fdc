"""The part of a method in each flow."""

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Any, ClassVar

from ory_guard.testing.flows.fake_flow import FakeFlow
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse, method_disabled
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import Identity
from ory_guard.testing.store.sessions import Sessions

__all__ = ["Change", "LoginMethod", "Method", "RegistrationMethod", "SettingsMethod"]


class Method(ABC):
    """An authentication method. It derives from the classes of the flows that it is part of.

    Functions named `fill_…` add the nodes of the method to a form; login and registration sort them afterwards.

    Attributes:
        name: The name of the method in Kratos.
    """

    name: ClassVar[str]

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self.server = server
        self.sessions = sessions

    @property
    def is_enabled(self) -> bool:
        """Whether the configuration enables the method."""
        return self.server.settings.enabled(self.name)

    def require_enabled(self) -> None:
        """Check that the configuration enables the method.

        Raises:
            ApiError: If it is disabled.
        """
        if not self.is_enabled:
            raise method_disabled(self.name)


class LoginMethod(Method):
    """A method of logins.

    Attributes:
        response_fields: The names of fields that select the method, whatever `method` is.
    """

    response_fields: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def login_aal(self) -> str | None:
        """The authenticator assurance level of logins with the method; None if the configuration has none."""

    def selects_login(self, fields: dict[str, Any], name: str) -> bool:
        """Return whether a submission selects the method, where `name` is the method that it names."""
        return name == self.name or any(fields.get(field) for field in self.response_fields)

    def require_login_fields(self, submission: Submission) -> None:
        """Check what Kratos requires whatever the level of the flow is.

        Raises:
            InvalidFlowError: If a field is missing.
            ApiError: If the method is disabled.
        """

    def accepts_login(self, flow: FakeFlow) -> bool:
        """Return whether a submission to a login flow can use the method."""
        return bool(self.login_aal == flow.fields["requested_aal"])

    def fill_login(self, flow: FakeFlow) -> None:
        """Add the form of the first factor."""

    def fill_identifier_step(self, flow: FakeFlow) -> None:
        """Add the form of the first step, if the login asks for the identifier first."""

    def fill_credentials_step(self, flow: FakeFlow, identity: Identity | None) -> bool:
        """Add the form of the second step for an identity, and return whether the identity can use the method."""
        return False

    def fill_refresh(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the form that asks an identity for a first factor again."""

    def fill_second_factor(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Add the form of the second factor."""

    def send_login_code_at_once(
        self,
        submission: Submission,
        identifier: str,
        identity: Identity,
    ) -> FakeResponse | None:
        """Send a code to an identity that has no other first factor; the response shows the form for it."""
        return None

    def send_second_factor_at_once(self, request: FakeRequest, flow: FakeFlow, identity: Identity) -> None:
        """Send a code when the flow is created, if that is the only second factor."""

    @abstractmethod
    def log_in(self, submission: Submission) -> Identity | FakeResponse:
        """Return the identity that a submission authenticates, or the response with the next step.

        Raises:
            InvalidFlowError: If the submission is invalid.
        """


class RegistrationMethod(Method):
    """A method of registrations."""

    def accepts_registration(self, submission: Submission, name: str) -> bool:
        """Return whether a submission uses the method, where `name` is the method that it names."""
        return name == self.name

    @abstractmethod
    def fill_registration(self, flow: FakeFlow) -> None:
        """Add the form for a new credential."""

    @abstractmethod
    def register(self, submission: Submission) -> Identity | FakeResponse:
        """Return the new identity of a submission, or the response with the next step.

        Raises:
            InvalidFlowError: If the submission is invalid.
        """


class Change(Enum):
    """The result of a change in settings: saved, displayed only, or rejected until the user re-authenticates."""

    SAVED = auto()
    DISPLAYED = auto()
    REAUTHENTICATION_REQUIRED = auto()


class SettingsMethod(Method):
    """A method of settings.

    Attributes:
        settings_buttons: The names of submit buttons that select the method.
        needs_button: Whether `method` alone does not select the method.
        is_privileged: Whether all changes require a recent login.
    """

    settings_buttons: ClassVar[tuple[str, ...]] = ()
    needs_button: ClassVar[bool] = False
    is_privileged: ClassVar[bool] = True

    @abstractmethod
    def fill_settings(self, flow: FakeFlow, identity: Identity) -> None:
        """Add the form of an identity."""

    def accepts_settings(self, flow: FakeFlow) -> bool:
        """Return whether a submission to a settings flow can use the method."""
        return True

    def check_fields(self, submission: Submission) -> None:
        """Check the fields before the anti-CSRF token.

        Raises:
            InvalidFlowError: If the submission is invalid.
        """

    @abstractmethod
    def change(self, submission: Submission) -> Change | FakeResponse:
        """Change the credential of the session's identity.

        Raises:
            InvalidFlowError: If the submission is invalid.
        """
