"""A typed async client for the 32 operations of Kratos' `FrontendApi` (v26.2.0), without a cookie jar.

`FrontendClient` has the operations, and this package exports the models that they return. The bodies of updates are
in `ory_guard.client.updates`, functions for pages that render flows in `ory_guard.client.ui`, and the errors in
`ory_guard.exceptions`.
"""

from ory_guard.client.frontend import (
    FrontendClient,
    FrontendResponses,
)
from ory_guard.client.models.continue_with import (
    ContinueWith,
    ContinueWithFlow,
    ContinueWithRecoveryUi,
    ContinueWithRedirectBrowserTo,
    ContinueWithSetOrySessionToken,
    ContinueWithSettingsUi,
    ContinueWithUnknown,
    ContinueWithVerificationUi,
)
from ory_guard.client.models.flows import (
    Flow,
    LoginFlow,
    RecoveryFlow,
    RegistrationFlow,
    SettingsFlow,
    VerificationFlow,
)
from ory_guard.client.models.oauth2 import (
    OAuth2Client,
    OAuth2LoginRequest,
    OAuth2OpenIdConnectContext,
)
from ory_guard.client.models.results import (
    AnySession,
    CreateFedcmFlowResponse,
    DeleteMySessionsCount,
    FedcmProvider,
    FlowErrorReport,
    LogoutFlow,
    SessionsPage,
    SessionWithoutIdentity,
    SuccessfulNativeLogin,
    SuccessfulNativeRegistration,
)
from ory_guard.client.models.ui_nodes import (
    UiContainer,
    UiNode,
    UiNodeAnchorAttributes,
    UiNodeAttributes,
    UiNodeDivisionAttributes,
    UiNodeImageAttributes,
    UiNodeInputAttributes,
    UiNodeMeta,
    UiNodeScriptAttributes,
    UiNodeTextAttributes,
    UiNodeUnknownAttributes,
    UiText,
)
from ory_guard.client.response import (
    Response,
)

__all__ = [
    "AnySession",
    "ContinueWith",
    "ContinueWithFlow",
    "ContinueWithRecoveryUi",
    "ContinueWithRedirectBrowserTo",
    "ContinueWithSetOrySessionToken",
    "ContinueWithSettingsUi",
    "ContinueWithUnknown",
    "ContinueWithVerificationUi",
    "CreateFedcmFlowResponse",
    "DeleteMySessionsCount",
    "FedcmProvider",
    "Flow",
    "FlowErrorReport",
    "FrontendClient",
    "FrontendResponses",
    "LoginFlow",
    "LogoutFlow",
    "OAuth2Client",
    "OAuth2LoginRequest",
    "OAuth2OpenIdConnectContext",
    "RecoveryFlow",
    "RegistrationFlow",
    "Response",
    "SessionWithoutIdentity",
    "SessionsPage",
    "SettingsFlow",
    "SuccessfulNativeLogin",
    "SuccessfulNativeRegistration",
    "UiContainer",
    "UiNode",
    "UiNodeAnchorAttributes",
    "UiNodeAttributes",
    "UiNodeDivisionAttributes",
    "UiNodeImageAttributes",
    "UiNodeInputAttributes",
    "UiNodeMeta",
    "UiNodeScriptAttributes",
    "UiNodeTextAttributes",
    "UiNodeUnknownAttributes",
    "UiText",
    "VerificationFlow",
]
