"""The results of operations that do not return a flow (OpenAPI v26.2.0)."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, RootModel

from ory_guard.client.models.continue_with import ContinueWith
from ory_guard.client.models.fields import FrontendModel, FrozenMapping, ListOrNull
from ory_guard.models.session import AuthenticationMethod, Device, EnumText, Identity, Session, Timestamp

__all__ = [
    "AnySession",
    "CreateFedcmFlowResponse",
    "DeleteMySessionsCount",
    "FedcmProvider",
    "FlowErrorReport",
    "LogoutFlow",
    "SessionWithoutIdentity",
    "SessionsList",
    "SessionsPage",
    "SuccessfulNativeLogin",
    "SuccessfulNativeRegistration",
]


class SessionWithoutIdentity(FrontendModel):
    """A session without its identity.

    Kratos omits the identity from the response to a native login until the session has the level that
    `/sessions/whoami` requires. The other fields are those of `Session`.
    """

    id: Annotated[str, Field(strict=True, min_length=1)]
    active: Annotated[bool, Field(strict=True)]
    expires_at: Timestamp
    authenticated_at: Timestamp | None = None
    authenticator_assurance_level: EnumText = None
    authentication_methods: tuple[AuthenticationMethod, ...] | None = None
    issued_at: Timestamp | None = None
    identity: None = None
    devices: tuple[Device, ...] | None = Field(default=None, repr=False)


AnySession = Annotated[Session | SessionWithoutIdentity, Field(union_mode="left_to_right")]
"""A session, with its identity if the response contains it."""


class SuccessfulNativeLogin(FrontendModel):
    """A successful login, native or (as JSON) in a browser.

    Attributes:
        session: The session; without its identity if a second factor is still required.
        session_token: The token of a native client; None in a browser, whose cookies are in `set_cookies`.
        continue_with: The next steps.
    """

    session: AnySession
    session_token: str | None = Field(default=None, repr=False)
    continue_with: ListOrNull[ContinueWith] = ()


class SuccessfulNativeRegistration(FrontendModel):
    """A successful registration, native or (as JSON) in a browser.

    Attributes:
        identity: The new identity.
        session: The new session, if Kratos creates one on registration.
        session_token: The token of a native client; None in a browser, whose cookies are in `set_cookies`.
        continue_with: The next steps.
    """

    identity: Identity
    session: AnySession | None = None
    session_token: str | None = Field(default=None, repr=False)
    continue_with: ListOrNull[ContinueWith] = ()


class LogoutFlow(FrontendModel):
    """The token and the URL that log out a browser.

    Attributes:
        logout_token: The `token` for `update_logout_flow`.
        logout_url: The URL to redirect the browser to instead; valid for one session.
    """

    logout_token: str = Field(repr=False)
    logout_url: str = Field(repr=False)


class DeleteMySessionsCount(FrontendModel):
    """The number of revoked sessions, including sessions that were revoked before."""

    count: int | None = None


class FlowErrorReport(FrontendModel):
    """An error report for the error page.

    Attributes:
        id: The report's ID.
        error: The error as Kratos stores it: `code`, `status`, `reason`, `message`, …
    """

    id: str
    error: FrozenMapping | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class SessionsList(RootModel[tuple[AnySession, ...]]):
    """The body of `GET /sessions`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)


class SessionsPage(FrontendModel):
    """One page of the caller's other sessions.

    Attributes:
        sessions: The sessions of this page.
        next_page_token: The token of the next page, from the `Link` header. Kratos sends one even after an empty
            page.
        previous_page_token: The token of the previous page.
        total: The number of sessions on all pages (`X-Total-Count`).
    """

    sessions: tuple[AnySession, ...]
    next_page_token: str | None = None
    previous_page_token: str | None = None
    total: int | None = None


class FedcmProvider(FrontendModel):
    """The parameters of one provider for `navigator.credentials.get`."""

    config_url: str | None = None
    client_id: str | None = None
    nonce: str | None = Field(default=None, repr=False)
    domain_hint: str | None = None
    login_hint: str | None = Field(default=None, repr=False)
    fields: ListOrNull[str] = ()
    parameters: FrozenMapping | None = None


class CreateFedcmFlowResponse(FrontendModel):
    """The parameters of a FedCM login."""

    csrf_token: str | None = Field(default=None, repr=False)
    providers: ListOrNull[FedcmProvider] = ()
