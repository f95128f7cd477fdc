"""ASGI in, ASGI out: finds out who is there, and hands the request on.

A request's way: `__call__` looks up the session (`guard.look`), asks Kratos where nothing fresh is kept
(`guard.ask`), publishes the outcome in the scope (`publish`) and calls the application. It never refuses: that is
what dependencies are for.
"""

from collections.abc import Awaitable, Iterable
from typing import Any, Final

from ory_guard.exceptions import ConfigurationError, KratosUnavailable, Refusal
from ory_guard.guard.context import SCOPE_KEY, AuthContext, attach, refuse_foreign, report_replaced
from ory_guard.guard.guard import OryGuard
from ory_guard.guard.resolver import MISDIRECTED_REQUEST, GuardResolver, Resolve
from ory_guard.guard.responses.asgi import ASGIApp, Message, Receive, Scope, Send
from ory_guard.guard.responses.redirect_loop import clear_redirect_counter, has_redirect_counter
from ory_guard.guard.responses.refusals import refusal_response, unavailable_refusal
from ory_guard.guard.route_check import RouteCheck
from ory_guard.guard.settings import GuardSettings
from ory_guard.models.credential import Header
from ory_guard.models.outcomes import Anonymous, SessionAuth, SessionUser

__all__ = ["OrySessionMiddleware"]

_CREDENTIAL_HEADERS: Final = (b"Cookie", b"Authorization", b"X-Session-Token")
_NO_STORE: Final = (b"cache-control", b"private, no-store")
Sent = Awaitable[None]  # by name, since the annotations of a nested function are evaluated on every request


class OrySessionMiddleware:
    """Attaches the caller's session to every http and websocket request.

    It sets `request.state.ory_session` (a `Session` or None) and its alias `request.state.session`,
    `request.state.auth` (the outcome), `request.user` and `request.auth`. An object that another library has put at
    one of these places before is an error. One that is put there afterwards stays, and its type is logged once.
    Pass a guard, or the fields of `GuardSettings` as keywords.

    A middleware of another guard inside, as in a mounted application, works on a copy of the scope.

    Args:
        app: The ASGI application.
        guard: The guard to ask, or a function that picks one for each connection (`ory_guard.guard.resolver`) and
            returns None where there is none, which is answered 421. What was asked is closed when the application
            shuts down.
        **settings: The settings of a guard of its own, in the place of `guard`. What is wrong with them is told
            when the server starts.
    """

    def __init__(self, app: ASGIApp, /, guard: OryGuard | Resolve | None = None, **settings: Any) -> None:
        self._app = app
        self._routes = RouteCheck(app)
        self._guard: OryGuard | None = None
        self._resolver: GuardResolver | None = None
        self._fault: ConfigurationError | None = None
        try:
            if guard is None or isinstance(guard, OryGuard):
                self._guard = _guard_of(guard, settings)
            else:
                self._resolver = _resolver_of(guard, settings)
        except ConfigurationError as fault:
            self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection.

        Raises:
            ConfigurationError: If the settings are wrong, another object is at one of the places it sets, or, at
                startup, FastAPI would misread the gates or session parameters of a route.
            RuntimeError: The scope is of a type that is not known, so nobody can say who is there.
        """
        kind = scope.get("type")
        if kind not in ("http", "websocket"):
            await self._live(scope, receive, send)
            return
        routes = self._routes
        if routes.lists != routes.checked:
            routes.close_misread_routes(scope)
        guard = self._guard or self._pick(scope)
        if guard is None:
            await MISDIRECTED_REQUEST(scope, receive, send)
            return
        if SCOPE_KEY in scope:
            await self._handle_inside(guard, scope, receive, send)
            return
        check = AuthContext(guard, scope)
        guard.look(scope, check)
        attach(scope, check, check.outcome or await guard.ask(check))
        state = scope["state"]
        watched = _watched(check, send)
        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            refusal = _refusal_of(error, check)
            if refusal is None or check.response_started:
                await _send_held(check, send)
                raise
        else:
            refusal = _refusal_held(check) if check.denied else None
        check.scope_id = 0  # an id may be used again for another scope
        if refusal is not None:
            check.held = ()
            await refusal_response(refusal, scope, check)(scope, receive, watched)
        if (
            type(scope.get("user")) is not SessionUser
            or type(scope.get("auth")) is not SessionAuth
            or state.get("session") is not state.get("ory_session")
            or state.get("auth") is not check.outcome
        ):
            report_replaced(scope)

    async def _handle_inside(self, guard: OryGuard, scope: Scope, receive: Receive, send: Send) -> None:
        if scope[SCOPE_KEY].guard is guard:
            await self._app(scope, receive, send)
        else:
            await self({name: value for name, value in scope.items() if name != SCOPE_KEY}, receive, send)

    def _pick(self, scope: Scope) -> OryGuard | None:
        if self._resolver is not None:
            return self._resolver.pick(scope)
        assert self._fault is not None  # noqa: S101 - one of the three is there
        raise self._fault

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("type") != "lifespan":
            kind = scope.get("type")
            raise RuntimeError(f"ory_guard can't tell who makes a {kind!r} request, so it does not pass it on")
        fault = self._fault or self._routes.error(scope)
        if fault is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(fault)})
            raise fault
        asked = self._guard or self._resolver
        assert asked is not None  # noqa: S101 - one of the three is there
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            kind = message["type"]
            if kind == "lifespan.startup.complete":
                refuse_foreign(scope)  # each request gets this state
                self._routes.expect_replaced_lists()
            started = started or kind.startswith("lifespan.startup.")
            if kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                # The server cancels what is still running once it has this message.
                await asked.aclose()
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ConfigurationError as error:
            if not started:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
            raise


def _guard_of(guard: OryGuard | None, settings: dict[str, Any]) -> OryGuard:
    if guard is None:
        return OryGuard(GuardSettings(**settings))
    _refuse_both(settings)
    return guard


def _resolver_of(resolve: Resolve, settings: dict[str, Any]) -> GuardResolver:
    _refuse_both(settings)
    return GuardResolver(resolve)


def _refuse_both(settings: dict[str, Any]) -> None:
    if settings:
        raise ConfigurationError(
            f"OrySessionMiddleware was given a guard and also {', '.join(settings)}: pass one or the other"
        )


def _refusal_of(error: BaseException | None, check: AuthContext) -> Refusal | None:
    if check.held and type(error) is RuntimeError:
        # Starlette raises it from the refusal that a mounted application answered with a 500.
        error = error.__cause__
    if isinstance(error, KratosUnavailable):
        return unavailable_refusal(error)
    return error if isinstance(error, Refusal) else None


def _watched(check: AuthContext, send: Send) -> Send:
    def watch(message: Message) -> Sent:
        kind = message["type"]
        if kind == "http.response.body":
            return _hold_body(check, message, send) if check.held else send(message)
        if kind in ("http.response.start", "websocket.http.response.start"):
            if check.is_private:
                if check.refusal is not None and message["status"] == 500 and kind == "http.response.start":
                    return _hold(check, message)
                message = _completed(check, message)
            check.response_started = True
        elif kind == "websocket.accept":
            check.websocket_accepted = True
            if check.set_cookies:
                headers = [*message.get("headers", ()), *_set_cookie_headers(check.set_cookies)]
                message = {**message, "headers": headers}
        return send(message)

    return watch


def _refusal_held(check: AuthContext) -> Refusal | None:
    """Return the refusal that a held 500 stands for, if there is one."""
    # Kept any longer, the refusal would tie the scope into a reference cycle through its traceback.
    refusal, check.refusal = check.refusal, None
    return refusal if check.held else None


async def _hold(check: AuthContext, message: Message) -> None:
    """Hold back a 500 that a mounted application or a framework may have made of a refusal."""
    check.held = (*check.held, message)


async def _hold_body(check: AuthContext, message: Message, send: Send) -> None:
    await _hold(check, message)
    if message.get("more_body"):  # a stream is an answer that the application meant
        await _send_held(check, send)


async def _send_held(check: AuthContext, send: Send) -> None:
    held, check.held = check.held, ()
    for message in held:
        starts, check.response_started = not check.response_started, True
        await send(_completed(check, message) if starts and check.is_private else message)


def _completed(check: AuthContext, message: Message) -> Message:
    # A message of its own: an application may send one and the same to everybody, and would hand out what is in it.
    headers = list(message.get("headers", ()))
    if check.set_cookies:
        # A shared cache that kept this answer would hand one user's session to the next.
        headers = [pair for pair in headers if pair[0].lower() != b"cache-control"]
        headers += [*_set_cookie_headers(check.set_cookies), _NO_STORE]
    else:
        for name, value in headers:
            if name.lower() == b"cache-control":
                if b"no-store" not in value:
                    headers = _with_vary(headers)
                break
        else:
            if type(check.outcome) is Anonymous:
                headers = _with_vary(headers)
            else:
                headers.append(_NO_STORE)
    if check.granted and not check.denied and has_redirect_counter(check.credential_headers):
        headers.append((b"set-cookie", clear_redirect_counter(check.guard.settings)))
    return {**message, "headers": headers}


def _with_vary(headers: list[Header]) -> list[Header]:
    # A shared cache that keeps the answer must not give it to a request that carries a credential (RFC 9111, 4.1).
    lists = [value for name, value in headers if name.lower() == b"vary"]
    listed = [name.strip() for value in lists for name in value.split(b",") if name.strip()]
    if b"*" in listed:
        return headers
    lowered = {name.lower() for name in listed}
    names = [*listed, *(name for name in _CREDENTIAL_HEADERS if name.lower() not in lowered)]
    return [*(pair for pair in headers if pair[0].lower() != b"vary"), (b"vary", b", ".join(names))]


def _set_cookie_headers(values: Iterable[bytes]) -> list[Header]:
    return [(b"set-cookie", value) for value in values]
