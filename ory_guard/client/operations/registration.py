"""Registration."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ory_guard.client.decoding import as_model
from ory_guard.client.models.flows import RegistrationFlow
from ory_guard.client.models.results import SuccessfulNativeRegistration
from ory_guard.client.operations.descriptor import Operations, operation

if TYPE_CHECKING:
    from ory_guard.client.updates.registration import UpdateRegistrationFlowBody

__all__ = ["RegistrationOperations"]


class RegistrationOperations(Operations):
    """Starting, reading and submitting registrations."""

    @operation
    async def create_browser_registration_flow(
        self,
        *,
        return_to: str | None = None,
        login_challenge: str | None = None,
        after_verification_return_to: str | None = None,
        organization: str | None = None,
        identity_schema: str | None = None,
        cookie: str | None = None,
    ) -> RegistrationFlow:
        """Start the registration of a browser; the answer's cookies have to reach it (`with_response`).

        Args:
            return_to: Where the browser goes afterwards; Kratos has to allow it.
            login_challenge: The challenge of an OAuth2 login at Hydra.
            after_verification_return_to: Where it goes after the address is verified.
            organization: The organization whose providers are offered (Ory Network).
            identity_schema: The schema of the new identity.
            cookie: The browser's `Cookie` header, in which Kratos looks for a session.

        Raises:
            SessionAlreadyAvailable: Somebody is signed in.
            FlowForbidden: This browser or session may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, or where registration is off.
        """
        return await self._ask(
            "create_browser_registration_flow",
            as_model(RegistrationFlow),
            return_to=return_to,
            login_challenge=login_challenge,
            after_verification_return_to=after_verification_return_to,
            organization=organization,
            identity_schema=identity_schema,
            cookie=cookie,
        )

    @operation
    async def create_native_registration_flow(
        self,
        *,
        return_session_token_exchange_code: bool | None = None,
        return_to: str | None = None,
        organization: str | None = None,
        identity_schema: str | None = None,
    ) -> RegistrationFlow:
        """Start the registration of a client that keeps a token; never for a browser.

        Args:
            return_session_token_exchange_code: Ask for a code, for `exchange_session_token`.
            return_to: Where the provider's page goes afterwards, such as `myapp://callback`.
            organization: The organization whose providers are offered (Ory Network).
            identity_schema: The schema of the new identity.

        Raises:
            FlowForbidden: This client may not start it.
            KratosAPIError: 400 for a `return_to` that is not allowed, or where registration is off.
        """
        return await self._ask(
            "create_native_registration_flow",
            as_model(RegistrationFlow),
            return_session_token_exchange_code=return_session_token_exchange_code,
            return_to=return_to,
            organization=organization,
            identity_schema=identity_schema,
        )

    @operation
    async def get_registration_flow(self, *, id: str, cookie: str | None = None) -> RegistrationFlow:
        """Read a registration, to render it.

        Args:
            id: The flow's id.
            cookie: The browser's `Cookie` header; a browser flow needs its CSRF cookie.

        Raises:
            FlowNotFound: There is no such flow.
            FlowExpired: It is too old.
            FlowForbidden: It is another browser's.
        """
        return await self._ask("get_registration_flow", as_model(RegistrationFlow), id=id, cookie=cookie)

    @operation
    async def update_registration_flow(
        self,
        *,
        flow: str,
        body: "UpdateRegistrationFlowBody | Mapping[str, Any]",
        cookie: str | None = None,
    ) -> SuccessfulNativeRegistration:
        """Submit a registration; in a browser, the answer's cookies have to reach it (`with_response`).

        The first step of two, `method: profile`, never succeeds: Kratos answers with the second step's nodes,
        which is `FlowInvalid` here.

        Args:
            flow: The flow's id.
            body: What to submit; a mapping goes out as it is.
            cookie: The browser's `Cookie` header.

        Raises:
            FlowInvalid: Kratos wants more, or does not accept it; the error's `flow` says which.
            BrowserLocationChangeRequired: Go to a provider.
            FlowExpired: The flow is too old; `use_flow_id` names its successor.
            FlowForbidden: The CSRF value is wrong.
            FlowNotFound: There is no such flow.
        """
        return await self._ask(
            "update_registration_flow",
            as_model(SuccessfulNativeRegistration),
            RegistrationFlow,
            body=body,
            flow=flow,
            cookie=cookie,
        )
