"""Logout: end the session of a request at Kratos, and invalidate its cache entries.

A logout succeeds only if Kratos confirms it, or does not know the credential.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn

from ory_guard.exceptions import (
    CsrfViolation,
    Failure,
    FlowError,
    KratosAPIError,
    KratosProtocolError,
    KratosUnavailable,
    RequirementNotMet,
    SessionRequired,
)
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import AuthContext, get_auth_context
from ory_guard.guard.csrf import CSRFPolicy
from ory_guard.guard.enforcement import Enforcer
from ory_guard.guard.responses.cookie_expiry import expired_cookies
from ory_guard.guard.responses.refusals import unavailable_refusal
from ory_guard.kratos.caller import calling
from ory_guard.models.credential import Credential, InvalidCredential
from ory_guard.models.outcomes import Authenticated, Outcome, Rejected, Unavailable

if TYPE_CHECKING:
    from ory_guard.client import FrontendClient

__all__ = ["Logout"]

_INVALID: Final = "No session was ended: the session cookie or token of this request is invalid."
_JWT: Final = "No session was ended: a JWT can't be logged out, only the session cookie or session token behind it."


class Logout:
    """Ends sessions for one guard.

    Args:
        authenticator: The authenticator of the guard.
        enforcer: The enforcer of the guard.
        csrf: The CSRF policy of the guard.
        app_url: The application's public URL, whose cookies are expired.
        load_client: Returns the client for Kratos' operations.
        invalidate: `OryGuard.invalidate`.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        enforcer: Enforcer,
        csrf: CSRFPolicy,
        app_url: str | None,
        *,
        load_client: Callable[[], Awaitable["FrontendClient"]],
        invalidate: Callable[..., Awaitable[None]],
    ) -> None:
        self._csrf = csrf
        self._authenticator = authenticator
        self._enforcer = enforcer
        self._app_url = app_url or ""
        self._load_client = load_client
        self._invalidate = invalidate

    async def log_out(self, scope: MutableMapping[str, Any]) -> tuple[str, ...]:
        """End the session of each credential of the request.

        Returns:
            The `Set-Cookie` values that the browser must receive.

        Raises:
            CsrfViolation: If the credential is a cookie and the request is cross-site.
            SessionRequired: If the credential is malformed or ambiguous, or a JWT that is not accepted.
            RequirementNotMet: If the credential is a JWT.
            KratosUnavailable: If a session may not have ended.
        """
        context = await self._enforcer.ensure_authenticated(scope)
        credentials: tuple[Credential, ...] | InvalidCredential = ()
        if self._authenticator.override is None:
            credentials = self._authenticator.extractor.extract_all(context.credential_headers)
        if self._is_cross_site(scope, context, credentials):
            self._enforcer.deny(scope, context, CsrfViolation())
        if isinstance(credentials, InvalidCredential):
            self._enforcer.deny(scope, context, _invalid_credential(credentials.reason))
        if credentials and self._authenticator.checker.is_jwt(credentials[0]):
            self._refuse_jwt(scope, context)
        return await self._end_all(scope, context, credentials)

    async def url(self, scope: Mapping[str, Any], return_to: str | None) -> str | None:
        """Return Kratos' one-time logout URL for this browser, or None without a cookie that Kratos knows.

        Args:
            scope: The request.
            return_to: The page to return to, or None for Kratos' default.

        Raises:
            KratosUnavailable: If Kratos can't be reached, or its response is unexpected.
        """
        credentials = self._authenticator.extractor.extract_all(scope["headers"])
        if isinstance(credentials, InvalidCredential) or self._csrf.is_cross_site(scope):
            return None
        cookies = [credential for credential in credentials if credential.is_session_cookie]
        context = get_auth_context(scope)
        if cookies and context is not None:
            context.is_private = True
        for cookie in cookies:
            try:
                client = await self._load_client()
                with self._calling(scope, cookie):
                    flow = await client.create_browser_logout_flow(cookie=_cookie(cookie), return_to=return_to)
            except KratosUnavailable as error:
                self._recorded(scope, context, error)
                raise
            except (KratosAPIError, FlowError) as error:
                if not _is_unknown(error, cookie):
                    raise self._recorded(scope, context, _unexpected(error)) from None
            else:
                return flow.logout_url
        return None

    def _is_cross_site(
        self,
        scope: Mapping[str, Any],
        context: AuthContext,
        credentials: tuple[Credential, ...] | InvalidCredential,
    ) -> bool:
        if isinstance(context.outcome, Rejected) and context.outcome.reason == "origin":
            return True
        # A logout is never a safe request: any page can cause a GET.
        first = credentials if isinstance(credentials, InvalidCredential) else next(iter(credentials), None)
        is_cookie = first is not None and first.kind == "cookie"
        return is_cookie and self._csrf.is_cross_site({**scope, "method": "POST"})

    def _refuse_jwt(self, scope: Mapping[str, Any], context: AuthContext) -> NoReturn:
        if isinstance(context.outcome, Unavailable):
            raise self._recorded(scope, context, KratosUnavailable("logout: the JWT could not be verified"))
        if not isinstance(context.outcome, Authenticated):
            self._enforcer.deny(scope, context, _invalid_credential("inactive"))
        failure = Failure(id="credential", expected=["cookie", "session_token"], actual="jwt")
        self._enforcer.deny(scope, context, RequirementNotMet(_JWT, failures=(failure,)))

    def _recorded(
        self, scope: Mapping[str, Any], context: AuthContext | None, error: KratosUnavailable
    ) -> KratosUnavailable:
        self._enforcer.record(scope, context, unavailable_refusal(error))
        return error

    async def _end_all(
        self, scope: MutableMapping[str, Any], context: AuthContext, credentials: tuple[Credential, ...]
    ) -> tuple[str, ...]:
        set_cookies: list[str] = []
        failure: KratosUnavailable | None = None
        for credential in credentials:
            try:
                set_cookies += await self._end(scope, context, credential)
            except KratosUnavailable as error:
                failure = failure or error
        if failure is not None:
            if set_cookies:  # the middleware adds them to the response
                context.set_cookies = tuple(value.encode("latin-1") for value in set_cookies)
            raise self._recorded(scope, context, failure)
        context.set_cookies = ()  # whoami may have renewed the cookie of the session that has ended
        names = (credential.name for credential in credentials if credential.kind == "cookie")
        return (*set_cookies, *expired_cookies(names, self._app_url))

    async def _end(
        self, scope: MutableMapping[str, Any], context: AuthContext, credential: Credential
    ) -> tuple[str, ...]:
        outcome = await self._outcome(scope, context, credential)
        set_cookies: tuple[str, ...] | None = None
        try:
            client = await self._load_client()
            with self._calling(scope, credential):
                set_cookies = await _end_session(client, credential)
        finally:
            # After a failure, too: Kratos may have ended the session before a timeout. Nothing is known about a
            # rejected credential, and anyone can send any number of them.
            if set_cookies is not None or not isinstance(outcome, Rejected):
                await self._forget(outcome, credential)
        return set_cookies or ()

    def _calling(self, scope: Mapping[str, Any], credential: Credential) -> AbstractContextManager[None]:
        """Return a context in which known sessions come first, and other clients take turns."""
        policy, key = self._authenticator.checker.calls.policy, self._authenticator.cache_key(credential)
        return calling(policy.caller(key, credential, client=scope.get("client")))

    async def _forget(self, outcome: Outcome | None, credential: Credential) -> None:
        key = self._authenticator.cache_key(credential)
        try:
            if isinstance(outcome, Authenticated):
                await self._invalidate(session_id=outcome.session.id)
        finally:
            await self._authenticator.invalidate_credential(key, credential)

    async def _outcome(
        self, scope: MutableMapping[str, Any], context: AuthContext, credential: Credential
    ) -> Outcome | None:
        outcome, is_one_of_two = context.outcome, credential != context.credential
        if is_one_of_two or isinstance(outcome, Unavailable):
            context = AuthContext().start(context.guard, scope)
            context.credential = credential
            outcome = self._authenticator.from_cache(scope, context, enforcing=True)
            if outcome is None and is_one_of_two:
                outcome = await self._authenticator.from_kratos(context)
        return outcome


def _invalid_credential(reason: str) -> SessionRequired:
    failure = Failure(id="credential", expected="valid", actual=reason)
    return SessionRequired(_INVALID, failures=(failure,), credential_sent=True)


def _cookie(credential: Credential) -> str:
    return credential.header()[1].decode("ascii")


def _is_unknown(error: KratosAPIError | FlowError, credential: Credential) -> bool:
    """Return whether Kratos itself does not know the credential.

    For its own cookie the status is 401, for a token 403 with an error that has no id. The response of a proxy with
    the same status has another body.
    """
    status = HTTPStatus.UNAUTHORIZED if credential.is_session_cookie else HTTPStatus.FORBIDDEN
    if not isinstance(error, KratosAPIError) or not error.status_code == error.error_code == status:
        return False
    return credential.is_session_cookie or error.error_id is None


def _unexpected(error: KratosAPIError | FlowError) -> KratosProtocolError:
    return KratosProtocolError(str(error))


async def _end_session(client: "FrontendClient", credential: Credential) -> tuple[str, ...] | None:
    """End the credential's session; a credential that Kratos does not know is not an error.

    Returns:
        Kratos' `Set-Cookie` values, or None if Kratos does not know the credential.

    Raises:
        KratosUnavailable: If Kratos can't be reached, or its response is unexpected; the session may live on.
    """
    try:
        if credential.is_session_cookie:
            flow = await client.create_browser_logout_flow(cookie=_cookie(credential))
            response = await client.with_response.update_logout_flow(
                token=flow.logout_token, cookie=_cookie(credential)
            )
        else:
            token = {"session_token": credential.value.decode("ascii")}
            response = await client.with_response.perform_native_logout(body=token)
    except (KratosAPIError, FlowError) as error:
        if _is_unknown(error, credential):
            return None
        raise _unexpected(error) from None
    if response.status_code != HTTPStatus.NO_CONTENT:
        raise KratosProtocolError(f"logout: Kratos responded with {response.status_code}, expected 204")
    # The response to a token sets no cookie of the browser.
    return response.set_cookies if credential.is_session_cookie else ()
