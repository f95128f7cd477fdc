"""The configuration of one web hook, in the terms of `hooks` in Kratos' configuration."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.web_hooks.body import render_body
from ory_guard.testing.web_hooks.delivery import HookRequest

__all__ = ["WebHook"]

JSON: Final = "application/json"
_BASE64: Final = "base64://"


@dataclass(frozen=True, slots=True)
class WebHook:
    """A hook `web_hook`.

    Attributes:
        url: The URL of the receiver.
        method: The HTTP method.
        template: The Jsonnet source of the body, a function of `ctx`.
        headers: The headers of the request, including those for authentication.
        ignores_response: `response.ignore`: whether Kratos continues without waiting.
        parses_response: `response.parse`: whether the response can change the identity or stop the flow.
        can_interrupt: `can_interrupt`: whether the response can stop the flow.
        has_ids: `emit_analytics_event`: whether the request has the two headers with random ids.
    """

    url: str
    method: str
    template: str | None
    headers: Mapping[str, str]
    ignores_response: bool
    parses_response: bool
    can_interrupt: bool
    has_ids: bool

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WebHook":
        """Return the hook for a `config`.

        Raises:
            ConfigurationError: If Kratos does not start with the configuration, or the body cannot be read.
        """
        url, method = config.get("url"), config.get("method")
        if not isinstance(url, str) or urlsplit(url).scheme not in {"http", "https"} or not isinstance(method, str):
            raise ConfigurationError(
                f"a web hook requires an http(s) url and a method (got {url!r} and {method!r})"
            )
        response = config.get("response") or {}
        parses, can_interrupt = bool(response.get("parse")), bool(config.get("can_interrupt"))
        if response.get("ignore") and (parses or can_interrupt):
            raise ConfigurationError("a web hook cannot both ignore and parse the response")
        headers = {str(name).title(): str(value) for name, value in (config.get("headers") or {}).items()}
        return cls(
            url=url,
            method=method.upper(),
            template=_template(config.get("body")),
            headers={"Content-Type": JSON, **headers, **_authentication(config.get("auth") or {})},
            ignores_response=bool(response.get("ignore")),
            parses_response=parses,
            can_interrupt=can_interrupt,
            has_ids=config.get("emit_analytics_event") is not False,
        )

    @property
    def runs_before_saving(self) -> bool:
        """Whether the hook runs before registration and settings save the identity."""
        return self.parses_response or self.can_interrupt

    def request(self, context: Mapping[str, Any]) -> HookRequest:
        """Return the request for a `ctx`.

        Raises:
            CanceledError: If the template cancels the request.
            BodyError: If the body cannot be built.
        """
        body = b""
        if self.method != "TRACE":
            body = render_body(self.template, context, self.headers["Content-Type"])
        ids = ("Ory-Webhook-Request-Id", "Ory-Webhook-Trigger-Id") if self.has_ids else ()
        random_ids = {name: str(uuid4()) for name in ids}
        return HookRequest(
            self.method, self.url, {"User-Agent": "Go-http-client/1.1", **random_ids, **self.headers}, body
        )


def _authentication(auth: Mapping[str, Any]) -> dict[str, str]:
    kind, config = auth.get("type", ""), auth.get("config") or {}
    names = {"": (), "api_key": ("name", "value"), "basic_auth": ("user", "password")}.get(kind)
    if names is None or not all(isinstance(config.get(name), str) for name in names):
        raise ConfigurationError(
            "auth of a web hook must be an api_key with name and value, or basic_auth with user and password"
        )
    if not names:
        return {}
    first, second = (config[name] for name in names)
    if kind == "basic_auth":
        return {"Authorization": f"Basic {base64.b64encode(f'{first}:{second}'.encode()).decode()}"}
    return {"Cookie": f"{first}={second}"} if config.get("in") == "cookie" else {first: second}


def _template(uri: object) -> str | None:
    if not uri:
        return None
    text = str(uri)
    try:
        if text.startswith(_BASE64):
            return base64.b64decode(text.removeprefix(_BASE64), validate=True).decode()
        if text.startswith(("http://", "https://")):
            raise ConfigurationError(f"the fake does not download the body {text}: use a file:// or base64:// URI")
        return Path(unquote(text.removeprefix("file://"))).read_text(encoding="utf-8")
    except (OSError, ValueError, binascii.Error) as error:
        raise ConfigurationError(f"the body {text!r} of a web hook cannot be read: {error}") from error
