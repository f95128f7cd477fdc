"""The ASGI middleware: authenticates each request, publishes the outcome, and calls the application.

It does not enforce requirements; dependencies do. It sends the response to a refusal that reaches it.
"""

import inspect
import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias, overload

from ory_guard.exceptions import ConfigurationError, KratosUnavailable, Refusal
from ory_guard.guard.authentication import Authenticator
from ory_guard.guard.context import SCOPE_KEY, AuthContext, log_replaced_objects, reject_foreign_objects
from ory_guard.guard.fastapi_route_check import RouteCheck
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.responses.asgi import ASGIApp, ASGIResponse, Message, Receive, Scope, Send, error_body
from ory_guard.guard.responses.refusals import refusal_response, unavailable_refusal
from ory_guard.guard.send_wrapper import ResponseContext, send_after_return
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.require_asyncio import event_loop_error
from ory_guard.models.outcomes import Outcome, SessionAuth, SessionUser

__all__ = ["GuardResolver", "OrySessionMiddleware"]

_log = logging.getLogger("ory_guard")

GuardResolver: TypeAlias = Callable[[Scope], OryGuard | None]
"""Returns the guard for an ASGI scope, or None if no guard is configured for it."""

MISDIRECTED_REQUEST: Final = ASGIResponse(  # RFC 9110, section 15.5.20
    421,
    [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
    error_body(
        421,
        error_id="misdirected_request",
        reason="No identity server is configured for this host, path or header.",
    ),
)


class OrySessionMiddleware:
    """Authenticates every http and websocket request and publishes the outcome.

    It sets `request.state.ory_session` (a `Session` or None) and its alias `request.state.session`,
    `request.state.auth` (the outcome), `request.user` and `request.auth`. If another library has set one of these
    names before, the request fails. An object that is set afterwards stays, and its type is logged once.

    With a second middleware inside, such as in a mounted application, the outcome of its guard is published there.
    A copy of the scope with other credential headers that the application sends through the middleware again is
    authenticated by its own headers.

    Args:
        app: The ASGI application.
        guard: The guard, or a function that takes the ASGI scope of each request and returns its guard. If the
            function returns None, the response is 421. All guards are closed when the application shuts down.
        **settings: The fields of `GuardSettings` for a new guard, instead of `guard`. If they are invalid, the
            server does not start.
    """

    @overload
    def __init__(self, app: ASGIApp, /, guard: OryGuard | GuardResolver | None = None, **settings: Any) -> None: ...

    @overload  # Litestar passes `app` by name
    def __init__(self, *, app: ASGIApp, guard: OryGuard | GuardResolver | None = None, **settings: Any) -> None: ...

    def __init__(  # type: ignore[misc] # to mypy, a setting could be named `app`
        self, app: ASGIApp, guard: OryGuard | GuardResolver | None = None, **settings: Any
    ) -> None:
        self._app = app
        self._routes = RouteCheck(app)
        self._guard: OryGuard | None = None
        self._resolver: GuardResolver | None = None
        self._guards: set[OryGuard] = set()
        self._startup_error: ConfigurationError | None = None
        self._expects_lifespan = True
        try:
            self._configure(guard, settings)
        except ConfigurationError as error:
            self._startup_error = error

    def _configure(self, guard: Any, settings: dict[str, Any]) -> None:
        if guard is None:
            self._guard = OryGuard(GuardSettings(**settings))
        elif settings:
            raise ConfigurationError(
                f"OrySessionMiddleware was given a guard and also {', '.join(settings)}: pass one or the other"
            )
        elif isinstance(guard, OryGuard):
            self._guard = guard
        elif callable(guard) and not inspect.isclass(guard) and not inspect.iscoroutinefunction(guard):
            self._resolver = guard
        else:
            raise ConfigurationError(
                f"guard must be an OryGuard or a plain function that returns one (got {guard!r})"
            )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one connection.

        Raises:
            ConfigurationError: If the settings are invalid, another library has set one of the published names, or,
                at startup, FastAPI would misread a dependency or a session parameter of a route.
            RuntimeError: If the type of the scope is unknown, so that it can't be authenticated.
        """
        kind = scope["type"] if "type" in scope else None  # noqa: SIM401 - faster
        if kind != "http" and kind != "websocket":  # noqa: PLR1714 - faster
            await self._handle_lifespan(scope, receive, send)
            return
        routes = self._routes
        if routes.lists != routes.checked:
            routes.close_misread_routes(scope)
        guard = self._guard or self._resolve_guard(scope)
        if guard is None or SCOPE_KEY in scope:
            await self._handle_misdirected_or_nested(guard, scope, receive, send)
            return
        context = ResponseContext().start(guard, scope)
        authentication = guard.authentication
        cached = authentication.from_cache(scope, context)
        outcome = await self._check_session(authentication, context) if cached is None else cached
        state = context.publish(scope, outcome)
        context.server_send = send
        try:
            try:
                await self._app(scope, receive, context.send)
            except Exception as error:
                refusal = _refusal_from(error, context)
                if refusal is None or (context.response_started and not context.has_refused):
                    await context.send_held_messages()
                    raise
            else:
                refusal = context.refusal and context.held_refusal()
            context.scope_id = 0  # Python may reuse the id for another scope
            if refusal is not None:
                context.held, context.refusal = (), None
                await refusal_response(refusal, scope, context)(scope, receive, context.send)
                del refusal  # the traceback of a raised refusal refers to this frame
        finally:
            context.server_send = send_after_return  # the server's `send` may refer to the scope
        try:
            if (
                type(scope["user"]) is SessionUser
                and type(scope["auth"]) is SessionAuth
                and state["session"] is state["ory_session"]
                and state["auth"] is outcome
            ):
                return
        except KeyError:
            pass
        log_replaced_objects(scope)  # or this guard has published a newer outcome

    async def _check_session(self, authentication: Authenticator, context: AuthContext) -> Outcome:
        if self._expects_lifespan:
            self._expects_lifespan = False
            _log.info(
                "lifespan.missing: no lifespan event reached OrySessionMiddleware (the server does not send it, or "
                "the middleware is in a mounted application): connections to Kratos are closed with the event loop"
            )
        return await authentication.from_kratos(context)

    async def _handle_misdirected_or_nested(
        self, guard: OryGuard | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if guard is None:
            await MISDIRECTED_REQUEST(scope, receive, send)
        elif _is_authenticated_by(guard, scope, scope[SCOPE_KEY]):
            await self._app(scope, receive, send)
        else:
            await self({name: value for name, value in scope.items() if name != SCOPE_KEY}, receive, send)

    def _resolve_guard(self, scope: Scope) -> OryGuard | None:
        if self._startup_error is not None:
            raise self._startup_error
        assert self._resolver is not None  # noqa: S101 - there is a guard, a resolver or an error
        guard = self._resolver(scope)
        if guard is None:
            return None
        if not isinstance(guard, OryGuard):
            if inspect.iscoroutine(guard):
                guard.close()
            raise ConfigurationError(f"the guard resolver must return an OryGuard or None (got {guard!r})")
        self._guards.add(guard)
        return guard

    async def _handle_lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("type") != "lifespan":
            raise RuntimeError(f"ory_guard does not support ASGI scopes of type {scope.get('type')!r}")
        self._expects_lifespan = False
        error = self._startup_error or event_loop_error() or self._routes.error(scope)
        if error is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise error
        has_answered = False

        async def send_and_close(message: Message) -> None:
            nonlocal has_answered
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                reject_foreign_objects(scope)  # the state of the lifespan becomes the state of each request
                self._routes.expect_replaced_lists()
            has_answered = has_answered or kind.startswith("lifespan.startup.")
            if kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._close_guards()  # before the message, because the server cancels all tasks after it
            await send(message)

        try:
            await self._app(scope, receive, send_and_close)
        except ConfigurationError as error:
            if not has_answered:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise

    async def _close_guards(self) -> None:
        if self._guard is not None:
            self._guards.add(self._guard)
        while self._guards:  # the resolver may return other guards in the meantime
            await self._guards.pop().aclose()


def _is_authenticated_by(guard: OryGuard, scope: Scope, context: AuthContext) -> bool:
    """Return whether an outer middleware of this guard has authenticated the request.

    A copy of the scope with other credential headers is another request, such as one of a batch.
    """
    return context.guard is guard and (
        context.scope_id == id(scope) or not guard.authentication.has_other_credentials(scope, context)
    )


def _refusal_from(error: BaseException | None, context: AuthContext) -> Refusal | None:
    if context.held and type(error) is RuntimeError:
        # Starlette raises RuntimeError from the refusal if a mounted application has already responded with a 500.
        error = error.__cause__
    if isinstance(error, BaseExceptionGroup):
        # A task group raises a group; another error in it is a defect.
        refusals, others = error.split((Refusal, KratosUnavailable))
        error = None if others or refusals is None else _first_of(refusals)
    if isinstance(error, KratosUnavailable):
        return unavailable_refusal(error)
    return error if isinstance(error, Refusal) else None


def _first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
