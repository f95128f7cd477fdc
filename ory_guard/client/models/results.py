"""What operations answer that is not a flow (OpenAPI v26.2.0)."""

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, RootModel

from ory_guard.client.models.continue_with import ContinueWith
from ory_guard.client.models.fields import FrontendModel, FrozenMapping, Listed
from ory_guard.models import AuthenticationMethod, Device, EnumText, Identity, Session, Timestamp

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
    """A session that does not say whose it is.

    Kratos leaves the identity out of a native login's answer as long as the session is not at the level that
    `/sessions/whoami` asks for; the fields are those of `Session`.
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
"""A session, with its identity where Kratos tells it."""


class SuccessfulNativeLogin(FrontendModel):
    """A login that succeeded, native or (as JSON) in a browser.

    Attributes:
        session: The session; without its identity where a second factor is still asked for.
        session_token: The token of a native client; None in a browser, whose cookies are in `set_cookies`.
        continue_with: What to do next.
    """

    session: AnySession
    session_token: str | None = Field(default=None, repr=False)
    continue_with: Listed[ContinueWith] = ()


class SuccessfulNativeRegistration(FrontendModel):
    """A registration that succeeded, native or (as JSON) in a browser.

    Attributes:
        identity: Who was registered.
        session: Their session, where registration signs in.
        session_token: The token of a native client; None in a browser, whose cookies are in `set_cookies`.
        continue_with: What to do next.
    """

    identity: Identity
    session: AnySession | None = None
    session_token: str | None = Field(default=None, repr=False)
    continue_with: Listed[ContinueWith] = ()


class LogoutFlow(FrontendModel):
    """How a browser signs out.

    Attributes:
        logout_token: What `update_logout_flow` takes.
        logout_url: Where to send the browser instead; good for this one session.
    """

    logout_token: str = Field(repr=False)
    logout_url: str = Field(repr=False)


class DeleteMySessionsCount(FrontendModel):
    """How many sessions were revoked; Kratos counts those, too, that were revoked before."""

    count: int | None = None


class FlowErrorReport(FrontendModel):
    """What Kratos' error page is about.

    Attributes:
        id: The report's id.
        error: What happened: `code`, `status`, `reason`, `message`, … as Kratos keeps it.
    """

    id: str
    error: FrozenMapping | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None


class SessionsList(RootModel[tuple[AnySession, ...]]):
    """What `GET /sessions` has in its body."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, defer_build=True)


class SessionsPage(FrontendModel):
    """One page of the caller's other sessions.

    Attributes:
        sessions: The sessions of this page.
        next_page_token: What the next page goes by, as the `Link` header has it. Kratos names a next page even
            after an empty one.
        previous_page_token: What the page before goes by.
        total: How many sessions there are over all pages (`X-Total-Count`).
    """

    sessions: tuple[AnySession, ...]
    next_page_token: str | None = None
    previous_page_token: str | None = None
    total: int | None = None


class FedcmProvider(FrontendModel):
    """What `navigator.credentials.get` needs to know of one provider."""

    config_url: str | None = None
    client_id: str | None = None
    nonce: str | None = Field(default=None, repr=False)
    domain_hint: str | None = None
    login_hint: str | None = Field(default=None, repr=False)
    fields: Listed[str] = ()
    parameters: FrozenMapping | None = None


class CreateFedcmFlowResponse(FrontendModel):
    """What a sign-in through the browser's credential manager starts with."""

    csrf_token: str | None = Field(default=None, repr=False)
    providers: Listed[FedcmProvider] = ()
