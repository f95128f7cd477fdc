"""Which Kratos the application talks to: one of its own in the same process, or a real one."""

import os
from dataclasses import dataclass
from typing import Final

import httpx2

from ory_guard import GuardSettings
from ory_guard.guard.settings import ENVIRONMENT_PREFIX
from ory_guard.testing import FakeKratos, OidcProvider

__all__ = ["MOUNT", "Backend", "embedded", "from_environment"]

MOUNT: Final = "/.ory"
"""Where the embedded Kratos is found, below the application's own origin."""

_METHODS: Final = frozenset({"password", "totp", "lookup_secret", "code", "profile", "oidc"})


@dataclass(frozen=True)
class Backend:
    """A Kratos, and how the guard asks it.

    Attributes:
        settings: The guard's settings.
        fake: The embedded Kratos, or None for a real one.
    """

    settings: GuardSettings
    fake: FakeKratos | None = None

    @property
    def transport(self) -> httpx2.AsyncBaseTransport | None:
        """The embedded Kratos is called in the process; a real one over connections of the guard's own."""
        return None if self.fake is None else httpx2.ASGITransport(app=self.fake.app, root_path=MOUNT)


def embedded(app_url: str, settings: GuardSettings | None = None) -> Backend:
    """Return a Kratos in this process; what it remembers ends with it.

    Args:
        app_url: The application's origin, such as `http://127.0.0.1:4455`.
        settings: The guard's settings, where they are not the usual ones.
    """
    fake = FakeKratos(
        public_url=app_url + MOUNT,
        ui_url=app_url,
        allowed_return_urls=(app_url,),
        methods=_METHODS,
        totp_issuer="Postern",
        oidc_providers=(OidcProvider("Harbour", client_id="Postern"),),
    )
    return Backend(settings or GuardSettings(kratos_public_url=app_url + MOUNT, app_url=app_url), fake)


def from_environment(app_url: str) -> Backend:
    """Return the Kratos of `ORY_GUARD_KRATOS_PUBLIC_URL`, or an embedded one where that is not set.

    Every other `ORY_GUARD_…` variable counts in both cases; `ORY_GUARD_APP_URL` is `app_url` unless it is set.

    Raises:
        ConfigurationError: A variable is wrong.
    """
    real = bool(os.environ.get(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL"))
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}APP_URL", app_url)
    os.environ.setdefault(f"{ENVIRONMENT_PREFIX}KRATOS_PUBLIC_URL", app_url + MOUNT)
    settings = GuardSettings.from_env()
    return Backend(settings) if real else embedded(app_url, settings)
