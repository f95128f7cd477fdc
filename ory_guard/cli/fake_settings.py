"""The settings of `ory-guard fake`, from its options and its configuration file."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.fake_pages import PAGES_PATH
from ory_guard.kratos.urls import is_ip_address, is_loopback_host, origin_of
from ory_guard.testing import FakeKratosSettings
from ory_guard.testing.settings import DEFAULT_METHODS

__all__ = ["LOOPBACK", "host_notes", "make_settings", "require_url"]

LOOPBACK: Final = "127.0.0.1"
_LOCALHOST: Final = "localhost"
_WEBAUTHN_METHODS: Final = ("webauthn", "passkey")


def make_settings(
    fields: Mapping[str, Any],
    *,
    port: int = 4433,
    admin_port: int = 4434,
    app_url: str | None = None,
    serves_pages: bool = False,
) -> FakeKratosSettings:
    """Return the settings of the fake.

    Args:
        fields: Fields of `FakeKratosSettings`, from the configuration file and `--ui-url`.
        port: The port of the public API.
        admin_port: The port of the admin API.
        app_url: The URL of the application, or None.
        serves_pages: Whether the command serves the login pages.

    Raises:
        CommandFailed: If `app_url` is not an absolute http(s) URL.
        ConfigurationError: If a field is invalid.
    """
    given = dict(fields)
    host = LOOPBACK
    if app_url is not None:
        given.setdefault("default_return_url", require_url(app_url, "--app-url"))
        # The pages have the host of the application, so that it receives their cookies.
        host = _LOCALHOST if serves_pages and _host(app_url) == _LOCALHOST else LOOPBACK
    given.setdefault("public_url", f"http://{host}:{port}")
    given.setdefault("admin_url", f"http://{LOOPBACK}:{admin_port}")
    if serves_pages:
        given["ui_url"] = given["public_url"].rstrip("/") + PAGES_PATH
    settings = FakeKratosSettings(**given)
    if app_url is not None:
        settings = replace(settings, allowed_return_urls=(*settings.allowed_return_urls, app_url))
    return settings if app_url is None and "ui_url" not in given else _with_webauthn(settings, given)


def host_notes(
    settings: FakeKratosSettings, fields: Mapping[str, Any], urls: Mapping[str, str | None]
) -> Iterator[str]:
    """Yield a note for each feature of browsers that does not work with the hosts of these URLs.

    Args:
        settings: The settings of the fake.
        fields: The fields that they were made from.
        urls: The URLs of the application by the name of their option, or None for those that are not given.
    """
    own = _host(settings.public_url)
    hosts = {option: _host(url) for option, url in urls.items() if url is not None}
    others = {option: host for option, host in hosts.items() if host != own}
    if others and is_loopback_host(own):
        names = " and ".join(f"{option} ({host})" for option, host in others.items())
        yield (
            f"{names} and the fake ({own}) have different hosts: browsers have separate cookies for each, so "
            "logins fail unless KratosProxy serves Kratos below the application. Without the proxy, use "
            f"{own} in all URLs."
        )
    if own == _LOCALHOST and not others:
        yield f"Set kratos_public_url to {settings.public_url}: browsers have separate cookies for {LOOPBACK}."
    if not fields.get("methods", DEFAULT_METHODS) <= settings.methods:
        yield (
            "Security keys and passkeys are disabled: browsers reject them for an IP address. To use them, replace "
            f"{_host(settings.login_ui_url)} with localhost in the URLs of the application."
        )


def require_url(url: str, option: str) -> str:
    """Return the URL of an option.

    Raises:
        CommandFailed: If it is not an absolute http(s) URL.
    """
    try:
        origin_of(url)
    except ValueError:
        raise CommandFailed(
            f"{option} must be an absolute http(s) URL such as http://127.0.0.1:8000, not {url!r}", ExitCode.USAGE
        ) from None
    return url


def _with_webauthn(settings: FakeKratosSettings, given: Mapping[str, Any]) -> FakeKratosSettings:
    """Return settings whose relying party is the host of the pages; an IP address can't be one."""
    methods = [name for name in _WEBAUTHN_METHODS if f"{name}_id" not in given]
    host = _host(settings.login_ui_url)
    if is_ip_address(host):
        return replace(settings, methods=settings.methods.difference(methods))
    changes: dict[str, Any] = {f"{name}_id": host for name in methods}
    for name in methods:
        changes[f"{name}_origins"] = given.get(f"{name}_origins", (_origin(settings.login_ui_url),))
    return replace(settings, **changes)


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _origin(url: str) -> str:
    try:
        return origin_of(url)
    except ValueError:  # the configuration file may have any text
        return ""
