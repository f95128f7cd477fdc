"""Sends the web hooks of a fake, in Kratos' order."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from starlette.types import ASGIApp

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.settings import FakeKratosSettings, Hook
from ory_guard.testing.web_hooks.body import BodyError, CanceledError
from ory_guard.testing.web_hooks.delivery import (
    DeliveryError,
    HookRequest,
    Transport,
    deliver,
    send_to_app,
    send_to_network,
)
from ory_guard.testing.web_hooks.hook import WebHook
from ory_guard.testing.web_hooks.responses import HookFailedError, changes_in, require_success
from ory_guard.testing.web_hooks.threads import HookThreads

__all__ = ["HookContext", "OtherHooks", "WebHooks"]

_logger = logging.getLogger(__name__)

Result = TypeVar("Result")
OtherHooks = Mapping[str, Callable[[], None]]
"""The hooks that are not web hooks, each with the function that it calls."""


@dataclass(slots=True)
class HookContext:
    """The data of a flow that its web hooks can send.

    Attributes:
        request: The request to the flow.
        url: The URL of the request.
        flow: The document of the flow.
        identity: The document of the identity. Parsed responses change it for the hooks that follow.
        session: The document of the session.
        changes: The fields of the identity that parsed responses changed.
    """

    request: FakeRequest
    url: str
    flow: dict[str, Any]
    identity: dict[str, Any] | None = None
    session: Mapping[str, Any] | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    def document(self, allowed_headers: Iterable[str]) -> dict[str, Any]:
        """Return the parameter `ctx` of the body. It has the allowed headers of the request, and all cookies."""
        headers = self.request.headers
        document = {
            "flow": self.flow,
            "request_headers": {name: headers.getlist(name) for name in allowed_headers if name in headers},
            "request_method": self.request.method,
            "request_url": self.url,
            "request_cookies": dict(self.request.cookies),
        }
        optional = {"identity": self.identity, "session": self.session}
        return document | {name: value for name, value in optional.items() if value is not None}


class WebHooks:
    """The web hooks of one fake.

    Args:
        settings: The configuration.

    Attributes:
        app: An ASGI application that receives all hooks, whatever their URL. None sends them over the network.

    Raises:
        ConfigurationError: If a hook is invalid.
    """

    def __init__(self, settings: FakeKratosSettings) -> None:
        self._settings = settings
        self.app: ASGIApp | None = None
        self._hooks = {
            id(hook): _parse(key, hook)
            for key, hooks in settings.hooks.items()
            for hook in hooks
            if hook.get("hook") == "web_hook"
        }
        self._threads = HookThreads()

    async def run(self, operation: Callable[[], Result]) -> Result:
        """Run an operation that may send hooks, and return its result."""
        return await self._threads.run(operation) if self._hooks else operation()

    async def finish(self) -> None:
        """Wait for the hooks with `response.ignore`."""
        await self._threads.finish()

    def before(self, flow: str, make_context: Callable[[], HookContext]) -> None:
        """Send the hooks before a flow."""
        self._run(self._settings.hooks.get(f"{flow}.before", ()), make_context, {})

    def before_saving(self, flow: str, method: str, make_context: Callable[[], HookContext]) -> dict[str, Any]:
        """Send the hooks that can change the identity before it is saved, and return the changes.

        As in Kratos, these are only hooks of the method, not hooks of the whole flow.
        """
        hooks = [hook for hook in self._hooks_of(flow, method) if self._hooks[id(hook)].runs_before_saving]
        return self._run(hooks, make_context, {})

    def has_hooks_before_saving(self, flow: str, method: str) -> bool:
        """Return whether `before_saving` sends a hook."""
        return any(self._hooks[id(hook)].runs_before_saving for hook in self._hooks_of(flow, method))

    def after_saving(
        self, flow: str, method: str, make_context: Callable[[], HookContext], others: OtherHooks
    ) -> None:
        """Run the hooks after the identity was saved."""
        hooks = self._settings.hooks_after(flow, method)
        found = (
            hook for hook in hooks if not (self._is_web_hook(hook) and self._hooks[id(hook)].runs_before_saving)
        )
        self._run(found, make_context, others)

    def after(
        self, flow: str, method: str, make_context: Callable[[], HookContext], others: OtherHooks
    ) -> dict[str, Any]:
        """Run the hooks after a flow that saves no identity, and return the changes in parsed responses."""
        return self._run(self._settings.hooks_after(flow, method), make_context, others)

    def _is_web_hook(self, hook: Hook) -> bool:
        return id(hook) in self._hooks

    def _hooks_of(self, flow: str, method: str) -> list[Hook]:
        return [hook for hook in self._settings.hooks.get(f"{flow}.after.{method}", ()) if self._is_web_hook(hook)]

    def _run(
        self, hooks: Iterable[Hook], make_context: Callable[[], HookContext], others: OtherHooks
    ) -> dict[str, Any]:
        context = None
        for hook in hooks:
            if self._is_web_hook(hook):
                context = context or make_context()
                self._send(self._hooks[id(hook)], context)
            elif other := others.get(str(hook.get("hook"))):
                other()
        return context.changes if context else {}

    def _send(self, hook: WebHook, context: HookContext) -> None:
        transport = send_to_app(self.app, self._threads.loop) if self.app else send_to_network
        try:
            request = hook.request(context.document(self._settings.web_hook_header_allowlist))
            if hook.ignores_response:
                self._threads.start(partial(_send_in_background, request, transport))
                return
            with self._threads.released():
                response = deliver(request, transport)
        except CanceledError:
            return
        except (BodyError, DeliveryError) as error:
            if not hook.ignores_response:
                raise HookFailedError(str(error)) from error
            _log_failure(hook.url, error)
            return
        require_success(hook, response)
        if hook.parses_response:
            changes = changes_in(response)
            context.changes |= changes
            context.identity = {**(context.identity or {}), **changes}


def _parse(key: str, hook: Hook) -> WebHook:
    try:
        return WebHook.from_config(hook.get("config") or {})
    except ConfigurationError as error:
        raise ConfigurationError(f"hooks[{key!r}]: {error}") from error


def _send_in_background(request: HookRequest, transport: Transport) -> None:
    try:
        status = deliver(request, transport).status
    except DeliveryError as error:
        _log_failure(request.url, error)
    else:
        if status >= 400:
            _log_failure(request.url, f"the status is {status}")


def _log_failure(url: str, reason: object) -> None:
    _logger.warning("web hook %s failed: %s", url, reason)
