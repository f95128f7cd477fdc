"""The Kratos of the application: embedded in the same process, or a real one."""

import os
from dataclasses import dataclass
from typing import Final

import httpx2

from ory_guard import GuardSettings
from ory_guard.guard.settings import ENVIRONMENT_PREFIX
from ory_guard.testing import FakeKratos, OidcProvider

__all__ = ["EMBEDDED_PATH", "Backend", "embedded", "from_environment"]

EMBEDDED_PATH: Final = "/.ory"
"""The path of the embedded Kratos on the application's origin."""

_METHODS: Final = frozenset({"password", "totp", "lookup_secret", "code", "profile", "oidc"})


@dataclass(frozen=True)
class Backend:
    """A Kratos and the settings of the guard for it.

    Attributes:
        settings: The guard's settings.
        fake: The embedded Kratos, or None for a real one.
    """

    settings: GuardSettings
    fake: FakeKratos | None = None

    @property
    def transport(self) -> httpx2.AsyncBaseTransport | None:
        """A transport that calls the embedded Kratos in the process, or None for a real Kratos."""
        return None if self.fake is None else httpx2.ASGITransport(app=self.fake.app, root_path=EMBEDDED_PATH)


def embedded(app_url: str, settings: GuardSettings | None = None) -> Backend:
    """Return a Kratos in this process; its data is lost when the process ends.

    Args:
        app_url: The application's origin, such as `http://127.0.0.1:4455`.
        settings: The guard's settings; the default has only the two URLs set.
    """
    fake = FakeKratos(
        public_url=app_url + EMBEDDED_PATH,
        ui_url=app_url,
        allowed_return_urls=(app_url,),
        methods=_METHODS,
        totp_issuer="Postern",
        oidc_providers=(OidcProvider("Harbor", client_id="Postern"),),
    )
    return Backend(settings or GuardSettings(kratos_public_url=app_url + EMBEDDED_PATH, app_url=app_url), fake)


def from_environment(app_url: str) -> Backend:
    """Return the Kratos of `ORY_GUARD_KRATOS_PUBLIC_URL`, or an embedded one if that is not set.

    All other `ORY_GUARD_…` variables apply in both cases. `ORY_GUARD_APP_URL` defaults to `app_url`.

    Raises:
        ConfigurationError: If a variable is invalid.
    """
    is_real = bool(os.environ.get(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL"))
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}APP_URL", app_url)
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL", app_url + EMBEDDED_PATH)
    settings = GuardSettings.from_env()
    return Backend(settings) if is_real else embedded(app_url, settings)
