"""A route class that enforces the requirements of a route before FastAPI reads the request body."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from ory_guard.guard.context import require_auth_context
from ory_guard.guard.fastapi_declarations import GuardDependency, unwrap_partial
from ory_guard.guard.fastapi_route_check import MisreadRoute
from ory_guard.guard.fastapi_routes import effective_route
from ory_guard.guard.requirements import Requirement
from ory_guard.starlette.route_requirements import requirement_of_dependency, requirement_of_endpoint

__all__ = ["GuardedRoute"]

_NO_OVERRIDES: Final[Mapping[Any, Any]] = {}

_Step = Requirement | MisreadRoute


class GuardedRoute(APIRoute):
    """A route that enforces its requirements before the request body is read.

    FastAPI reads and parses the whole body before it calls dependencies. With this class, a request that does not
    meet a requirement is refused without reading its body, with the same response. Use it for a router, or for all
    routes that are added to an application afterwards: `APIRouter(route_class=GuardedRoute)`,
    `app.router.route_class = GuardedRoute`. A router that is included in another one keeps its own route class.

    The requirements are those of the dependencies of `ory_guard.fastapi`, on the route, its routers, the
    application and in other dependencies, and of `@session_required`. They are enforced before all other
    dependencies. Dependencies of your own run after the body is read, as before. Overrides in
    `dependency_overrides` apply.

    When the dependencies are called after the body, they check the session again, because a body may take long.
    `when` and `revalidate` are not evaluated a second time unless the outcome of the session check has changed.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that enforces the requirements, and then calls FastAPI's handler."""
        handler = super().get_route_handler()
        requirements = _EarlyRequirements(effective_route(self))

        async def handle_if_allowed(request: Request) -> Response:
            """Handle one request."""
            await requirements.enforce(request)
            return await handler(request)

        return handle_if_allowed


class _EarlyRequirements:
    """The requirements of a route, read from its dependencies."""

    def __init__(self, route: Any) -> None:
        self._dependant = route.dependant
        self._provider = route.dependency_overrides_provider
        self._steps: tuple[_Step, ...] = ()
        self._count = -1

    async def enforce(self, request: Request) -> None:
        """Enforce every requirement.

        Raises:
            Refusal: If a requirement is not met.
            ConfigurationError: If FastAPI misreads the route, or the middleware is missing.
        """
        scope = request.scope
        for step in self._current_steps():
            if isinstance(step, MisreadRoute):
                await step()
            else:
                context = require_auth_context(scope)
                await context.guard.enforcement.require_early(scope, context, step)

    def _current_steps(self) -> tuple[_Step, ...]:
        overrides = getattr(self._provider, "dependency_overrides", _NO_OVERRIDES)
        if overrides:
            return _steps_of(self._dependant, overrides)
        count = len(self._dependant.dependencies)
        if count != self._count:  # the check of routes adds a dependency to a misread route
            self._steps, self._count = _steps_of(self._dependant, _NO_OVERRIDES), count
        return self._steps


def _steps_of(dependant: Any, overrides: Mapping[Any, Any]) -> tuple[_Step, ...]:
    steps = [_step_of(call) for call in _calls_of(dependant, overrides)]
    steps.append(requirement_of_endpoint(dependant.call))
    return tuple({id(step): step for step in steps if step is not None}.values())


def _calls_of(dependant: Any, overrides: Mapping[Any, Any]) -> Iterator[Any]:
    """Yield the dependencies in the order in which FastAPI calls them."""
    for dependency in dependant.dependencies:
        if dependency.call in overrides:
            yield overrides[dependency.call]
        else:
            yield from _calls_of(dependency, overrides)
            yield dependency.call


def _step_of(call: Any) -> _Step | None:
    if isinstance(call, MisreadRoute):
        return call
    known = unwrap_partial(call)
    # An object of the application with a requirement may accept other requests, too.
    if isinstance(known, GuardDependency) or requirement_of_endpoint(known) is not None:
        return requirement_of_dependency(call)
    return None
