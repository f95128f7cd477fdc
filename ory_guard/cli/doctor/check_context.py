"""The setup that the checks examine: settings, Kratos' APIs, a credential, and the shared store."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ory_guard.cli.doctor.probe import Probe
from ory_guard.guard.path_patterns import paths_of_kratos
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import http_url
from ory_guard.models import Clock, SystemClock
from ory_guard.models.credential import Header

__all__ = ["DoctorContext"]


@dataclass(frozen=True, slots=True)
class DoctorContext:
    """One setup to check.

    Attributes:
        settings: The settings of the guard.
        kratos: Kratos' public API.
        admin: Kratos' admin API, or None if its URL was not given.
        credential: A user's session token or browser cookies, or None.
        redis_url: The URL of the shared store, or None.
        redis_prefix: The prefix of the keys in the shared store.
        jwks: The file or URL of the keys that verify tokens, or None.
        template: The tokenizer template of the tokens, or None.
        clock: The clock to compare with Kratos'.
        on_progress: Called with the name of each check before it runs.
    """

    settings: GuardSettings
    kratos: Probe
    admin: Probe | None = None
    credential: Header | None = None
    redis_url: str | None = None
    redis_prefix: str = "ory_guard"
    jwks: str | Path | None = None
    template: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    on_progress: Callable[[str], None] = lambda _: None

    @property
    def is_below_app(self) -> bool:
        """Whether browsers reach Kratos below the URL of the application, as with `KratosProxy`."""
        browser_url = self.settings.kratos_browser_url
        is_forwarded = browser_url != http_url(self.settings.kratos_public_url)
        return is_forwarded and bool(paths_of_kratos(self.settings.app_url, browser_url))
