"""The Kratos of the application: embedded in the same process, or a real one."""

import os
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx2

from ory_guard import GuardSettings
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.settings import ENVIRONMENT_PREFIX
from ory_guard.testing import Clock, FakeKratos, OidcProvider

__all__ = ["EMBEDDED_PATH", "Backend", "embedded", "from_environment"]

EMBEDDED_PATH: Final = "/.ory"
"""The path of the embedded Kratos on the application's origin."""

_METHODS: Final = frozenset({"password", "totp", "lookup_secret", "code", "profile", "oidc"})
_DOMAIN_METHODS: Final = frozenset({"passkey", "webauthn"})


@dataclass(frozen=True)
class Backend:
    """A Kratos and the settings of the guard for it.

    Attributes:
        settings: The guard's settings.
        fake: The embedded Kratos, or None for a real one.

    Raises:
        ConfigurationError: If Kratos is embedded and other machines can reach the application. The emails and
            the clock of an embedded Kratos are public.
    """

    settings: GuardSettings
    fake: FakeKratos | None = None

    def __post_init__(self) -> None:
        app_url = self.settings.app_url or ""
        if self.fake is not None and not _is_loopback(app_url):
            raise ConfigurationError(
                f"app_url: {app_url!r} is not a loopback address, but the embedded Kratos is only for a demo: "
                "set ORY_GUARD_KRATOS_PUBLIC_URL to a real Kratos, or ORY_GUARD_APP_URL to http://localhost:4455"
            )

    @property
    def transport(self) -> httpx2.AsyncBaseTransport | None:
        """A transport that calls the embedded Kratos in the process, or None for a real Kratos."""
        return None if self.fake is None else httpx2.ASGITransport(app=self.fake.app, root_path=EMBEDDED_PATH)


def embedded(app_url: str, settings: GuardSettings | None = None) -> Backend:
    """Return a Kratos in this process; its data is lost when the process ends.

    Args:
        app_url: The application's origin, such as `http://localhost:4455`. Passkeys and security keys require a
            host name; they are disabled if the host is an IP address.
        settings: The guard's settings; the default has only the two URLs set.
    """
    domain = _domain(app_url)
    fake = FakeKratos(
        totp_clock=Clock(),  # a real authenticator app does not notice that the demo's clock is advanced
        public_url=app_url + EMBEDDED_PATH,
        ui_url=app_url,
        allowed_return_urls=(app_url,),
        methods=_METHODS | _DOMAIN_METHODS if domain else _METHODS,
        totp_issuer="Postern",
        webauthn_name="Postern",
        webauthn_id=domain,
        webauthn_origins=(app_url,),
        passkey_name="Postern",
        passkey_id=domain,
        passkey_origins=(app_url,),
        oidc_providers=(OidcProvider("Harbor", client_id="Postern"),),
    )
    return Backend(settings or GuardSettings(kratos_public_url=app_url + EMBEDDED_PATH, app_url=app_url), fake)


def _domain(url: str) -> str:
    """Return the host name of a URL, or an empty string if it is an IP address."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return host
    return ""


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def from_environment(app_url: str, embedded_url: str | None = None) -> Backend:
    """Return the Kratos of `ORY_GUARD_KRATOS_PUBLIC_URL`, or an embedded one if that is not set.

    All other `ORY_GUARD_…` variables apply in both cases.

    Args:
        app_url: The default of `ORY_GUARD_APP_URL`.
        embedded_url: The default of `ORY_GUARD_APP_URL` with an embedded Kratos; it is `app_url` if it is None.

    Raises:
        ConfigurationError: If a variable is invalid, or `ORY_GUARD_APP_URL` is not a loopback address without a
            Kratos URL.
    """
    is_real = bool(os.environ.get(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL"))
    app_url = app_url if is_real or embedded_url is None else embedded_url
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}APP_URL", app_url)
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL", app_url + EMBEDDED_PATH)
    settings = GuardSettings.from_env()
    return Backend(settings) if is_real else embedded(app_url, settings)
