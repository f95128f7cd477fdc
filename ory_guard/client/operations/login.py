"""Login."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model
from ory_guard.client.models.flows import LoginFlow
from ory_guard.client.models.results import SuccessfulNativeLogin
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.login import UpdateLoginFlowBody

__all__ = ["LoginOperations"]


class LoginOperations(Operations):
    """Starting, reading and submitting logins, and the token of a native login with a provider."""

    @operation
    async def create_browser_login_flow(
        self,
        *,
        refresh: bool | None = None,
        aal: str | None = None,
        return_to: str | None = None,
        cookie: str | None = None,
        login_challenge: str | None = None,
        organization: str | None = None,
        via: str | None = None,
        identity_schema: str | None = None,
    ) -> LoginFlow:
        """Start the login of a browser; the answer's cookies have to reach that browser (`with_response`).

        Args:
            refresh: Sign in anew although somebody is signed in.
            aal: `aal2` to ask for the second factor.
            return_to: Where the browser goes afterwards; Kratos has to allow it.
            cookie: The browser's `Cookie` header.
            login_challenge: The challenge of an OAuth2 login at Hydra.
            organization: The organization whose providers are offered (Ory Network).
            via: Deprecated by Kratos, which offers a choice instead: where to send the code of aal2.
            identity_schema: The schema for an identity that is made on this occasion.

        Raises:
            SessionAlreadyAvailable: Somebody is signed in, at this level.
            FlowForbidden: This browser or session may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, 401 for aal2 without a session.
        """
        return await self._ask(
            "create_browser_login_flow",
            as_model(LoginFlow),
            refresh=refresh,
            aal=aal,
            return_to=return_to,
            cookie=cookie,
            login_challenge=login_challenge,
            organization=organization,
            via=via,
            identity_schema=identity_schema,
        )

    @operation
    async def create_native_login_flow(
        self,
        *,
        refresh: bool | None = None,
        aal: str | None = None,
        x_session_token: str | None = None,
        return_session_token_exchange_code: bool | None = None,
        return_to: str | None = None,
        organization: str | None = None,
        via: str | None = None,
        identity_schema: str | None = None,
    ) -> LoginFlow:
        """Start the login of a client that keeps a token; never for a browser, which this leaves without CSRF.

        Args:
            refresh: Sign in anew although the token is good.
            aal: `aal2` to ask for the second factor.
            x_session_token: The client's session token.
            return_session_token_exchange_code: Ask for a code, for `exchange_session_token`.
            return_to: Where the provider's page goes afterwards, such as `myapp://callback`.
            organization: The organization whose providers are offered (Ory Network).
            via: Deprecated by Kratos, which offers a choice instead: where to send the code of aal2.
            identity_schema: The schema for an identity that is made on this occasion.

        Raises:
            SessionAlreadyAvailable: The token is good already.
            FlowForbidden: This session may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, 401 for aal2 without a session.
        """
        return await self._ask(
            "create_native_login_flow",
            as_model(LoginFlow),
            refresh=refresh,
            aal=aal,
            x_session_token=x_session_token,
            return_session_token_exchange_code=return_session_token_exchange_code,
            return_to=return_to,
            organization=organization,
            via=via,
            identity_schema=identity_schema,
        )

    @operation
    async def get_login_flow(self, *, id: str, cookie: str | None = None) -> LoginFlow:
        """Read a login, to render it.

        Args:
            id: The flow's id.
            cookie: The browser's `Cookie` header; a browser flow needs its CSRF cookie.

        Raises:
            FlowNotFound: There is no such flow.
            FlowExpired: It is too old.
            FlowForbidden: It is another browser's.
        """
        return await self._ask("get_login_flow", as_model(LoginFlow), id=id, cookie=cookie)

    @operation
    async def update_login_flow(
        self,
        *,
        flow: str,
        body: "UpdateLoginFlowBody | Mapping[str, Any]",
        x_session_token: str | None = None,
        cookie: str | None = None,
    ) -> SuccessfulNativeLogin:
        """Submit a login; in a browser, the answer's cookies have to reach it (`with_response`).

        Args:
            flow: The flow's id.
            body: What to submit; a mapping goes out as it is.
            x_session_token: The client's session token, for a second factor or a refresh.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: Kratos does not accept it; the error's `flow` says why.
            BrowserLocationChangeRequired: Go to a provider, or on to the second factor. In the latter case
                the first factor's session cookie is among the error's `set_cookies`.
            FlowExpired: The flow is too old; `use_flow_id` names its successor.
            FlowForbidden: The CSRF value is wrong.
            FlowNotFound: There is no such flow.
        """
        return await self._ask(
            "update_login_flow",
            as_model(SuccessfulNativeLogin),
            LoginFlow,
            body=body,
            flow=flow,
            x_session_token=x_session_token,
            cookie=cookie,
        )

    @operation
    async def exchange_session_token(self, *, init_code: str, return_to_code: str) -> SuccessfulNativeLogin:
        """Get the session token of a native login that went through a provider's page.

        Args:
            init_code: The flow's `session_token_exchange_code`.
            return_to_code: The `code` that came to `return_to`.

        Raises:
            KratosAPIError: 404 while there is no session for the codes, 400 where one is empty.
        """
        return await self._ask(
            "exchange_session_token",
            as_model(SuccessfulNativeLogin),
            init_code=init_code,
            return_to_code=return_to_code,
        )
