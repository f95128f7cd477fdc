"""The next steps in a response of Kratos (`continue_with`), discriminated by `action`."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from ory_guard.client.models.fields import FrontendModel, discriminate_by
from ory_guard.models.session import EnumText

__all__ = [
    "ContinueWith",
    "ContinueWithFlow",
    "ContinueWithRecoveryUi",
    "ContinueWithRedirectBrowserTo",
    "ContinueWithSetOrySessionToken",
    "ContinueWithSettingsUi",
    "ContinueWithUnknown",
    "ContinueWithVerificationUi",
]


class ContinueWithFlow(FrontendModel):
    """The flow to continue with.

    Attributes:
        id: The flow's ID.
        url: The URL of the flow's page, for browsers only.
        verifiable_address: The address to verify, in a verification flow.
    """

    id: str
    url: str | None = Field(default=None, repr=False)
    verifiable_address: str | None = Field(default=None, repr=False)


class ContinueWithVerificationUi(FrontendModel):
    """Show the verification flow, for which Kratos has sent a code or a link."""

    action: Literal["show_verification_ui"] = "show_verification_ui"
    flow: ContinueWithFlow


class ContinueWithRecoveryUi(FrontendModel):
    """Show the recovery flow."""

    action: Literal["show_recovery_ui"] = "show_recovery_ui"
    flow: ContinueWithFlow


class ContinueWithSettingsUi(FrontendModel):
    """Show the settings flow, such as for a new password after a recovery."""

    action: Literal["show_settings_ui"] = "show_settings_ui"
    flow: ContinueWithFlow


class ContinueWithSetOrySessionToken(FrontendModel):
    """Store this session token of the native client."""

    action: Literal["set_ory_session_token"] = "set_ory_session_token"
    ory_session_token: str = Field(repr=False)


class ContinueWithRedirectBrowserTo(FrontendModel):
    """Redirect the browser to this URL."""

    action: Literal["redirect_browser_to"] = "redirect_browser_to"
    redirect_browser_to: str = Field(repr=False)


class ContinueWithUnknown(FrontendModel):
    """A step with an unknown `action`; all its fields are kept unchanged."""

    action: EnumText = None


ContinueWith = Annotated[
    Annotated[ContinueWithVerificationUi, Tag("show_verification_ui")]
    | Annotated[ContinueWithRecoveryUi, Tag("show_recovery_ui")]
    | Annotated[ContinueWithSettingsUi, Tag("show_settings_ui")]
    | Annotated[ContinueWithSetOrySessionToken, Tag("set_ory_session_token")]
    | Annotated[ContinueWithRedirectBrowserTo, Tag("redirect_browser_to")]
    | Annotated[ContinueWithUnknown, Tag("")],
    discriminate_by(
        "action",
        "show_verification_ui",
        "show_recovery_ui",
        "show_settings_ui",
        "set_ory_session_token",
        "redirect_browser_to",
    ),
]
"""One step, discriminated by `action`."""
