"""What Kratos says comes next after a success, told apart by `action`."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from ory_guard.client.models.fields import FrontendModel, by_key
from ory_guard.models import EnumText

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
    """The flow to go on with.

    Attributes:
        id: The flow's id.
        url: Its page, for browsers only.
        verifiable_address: The address to verify, where it is a verification.
    """

    id: str
    url: str | None = Field(default=None, repr=False)
    verifiable_address: str | None = Field(default=None, repr=False)


class ContinueWithVerificationUi(FrontendModel):
    """Show the verification flow: Kratos has sent a code or a link."""

    action: Literal["show_verification_ui"] = "show_verification_ui"
    flow: ContinueWithFlow


class ContinueWithRecoveryUi(FrontendModel):
    """Show the recovery flow."""

    action: Literal["show_recovery_ui"] = "show_recovery_ui"
    flow: ContinueWithFlow


class ContinueWithSettingsUi(FrontendModel):
    """Show the settings flow, for instance to set a new password after a recovery."""

    action: Literal["show_settings_ui"] = "show_settings_ui"
    flow: ContinueWithFlow


class ContinueWithSetOrySessionToken(FrontendModel):
    """Keep this session token: the native client is signed in with it."""

    action: Literal["set_ory_session_token"] = "set_ory_session_token"
    ory_session_token: str = Field(repr=False)


class ContinueWithRedirectBrowserTo(FrontendModel):
    """Send the browser there."""

    action: Literal["redirect_browser_to"] = "redirect_browser_to"
    redirect_browser_to: str = Field(repr=False)


class ContinueWithUnknown(FrontendModel):
    """A step that this version does not know; everything in it is kept as it came."""

    action: EnumText = None


ContinueWith = Annotated[
    Annotated[ContinueWithVerificationUi, Tag("show_verification_ui")]
    | Annotated[ContinueWithRecoveryUi, Tag("show_recovery_ui")]
    | Annotated[ContinueWithSettingsUi, Tag("show_settings_ui")]
    | Annotated[ContinueWithSetOrySessionToken, Tag("set_ory_session_token")]
    | Annotated[ContinueWithRedirectBrowserTo, Tag("redirect_browser_to")]
    | Annotated[ContinueWithUnknown, Tag("")],
    by_key(
        "action",
        "show_verification_ui",
        "show_recovery_ui",
        "show_settings_ui",
        "set_ory_session_token",
        "redirect_browser_to",
    ),
]
"""One step, told apart by `action`."""
