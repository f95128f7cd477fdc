"""Ending a session at Kratos, with the one credential that a request carries."""

from typing import TYPE_CHECKING

from ory_guard.credentials import Credential
from ory_guard.exceptions import FlowError, KratosAPIError, KratosProtocolError

if TYPE_CHECKING:
    from ory_guard.client import FrontendClient

__all__ = ["end_session_at_kratos", "logout_link"]

_UNAUTHORIZED = 401


def _cookie(credential: Credential) -> str:
    return credential.header()[1].decode("ascii")


def _unexpected(error: KratosAPIError | FlowError) -> KratosProtocolError:
    # Kratos gives no other refusal here: something stands in between, or it is not Kratos.
    return KratosProtocolError(str(error))


async def logout_link(client: "FrontendClient", credential: Credential, return_to: str | None) -> str | None:
    """Return Kratos' one-time address that signs the browser out, or None where nobody is signed in.

    Raises:
        KratosUnavailable: Kratos could not be asked, or answered something else.
    """
    try:
        flow = await client.create_browser_logout_flow(cookie=_cookie(credential), return_to=return_to)
    except (KratosAPIError, FlowError) as error:
        if error.status_code == _UNAUTHORIZED:
            return None
        raise _unexpected(error) from None
    return flow.logout_url


async def end_session_at_kratos(client: "FrontendClient", credential: Credential) -> tuple[str, ...]:
    """End the credential's session; one that has ended already is no error.

    Returns:
        The `Set-Cookie` values that the browser has to get.

    Raises:
        KratosUnavailable: Kratos could not be asked, or answered something else, so the session may live on.
    """
    try:
        if credential.kind != "cookie":
            await client.perform_native_logout(body={"session_token": credential.value.decode("ascii")})
            return ()
        flow = await client.create_browser_logout_flow(cookie=_cookie(credential))
        answer = await client.with_response.update_logout_flow(token=flow.logout_token, cookie=_cookie(credential))
    except (KratosAPIError, FlowError) as error:
        if error.status_code == _UNAUTHORIZED and credential.kind == "cookie":
            return ()
        raise _unexpected(error) from None
    return answer.set_cookies
