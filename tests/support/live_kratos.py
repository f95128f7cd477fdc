"""The real Kratos of the environment, for tests with the mark `live`."""

import os
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

__all__ = ["NEWEST", "LiveKratos", "Version", "fake_and_live", "live_kratos", "parse_version"]

PUBLIC, ADMIN = "ORY_GUARD_LIVE_KRATOS", "ORY_GUARD_LIVE_KRATOS_ADMIN"
NEWEST = (9999,)
TIMEOUT = 30.0

Version = tuple[int, ...]


@dataclass(frozen=True)
class LiveKratos:
    """A real Kratos.

    Attributes:
        public: The URL of the public API.
        admin: The URL of the admin API.
        ui_url: The origin of the pages in its configuration, where the application of a test listens.
        version: The release, such as `(26, 2, 0)`; larger than all releases for a build without one.
        has_two_steps: Whether registration asks for the traits first.
    """

    public: str
    admin: str
    ui_url: str
    version: Version
    has_two_steps: bool

    @property
    def port(self) -> int:
        """The port of the pages."""
        parts = urlsplit(self.ui_url)
        return parts.port or {"http": 80, "https": 443}[parts.scheme]

    def require_two_steps(self) -> None:
        """Skip the test if registration has one step."""
        if not self.has_two_steps:
            pytest.skip("registration has one step in this release or configuration")


def live_kratos() -> LiveKratos:
    """Return the Kratos whose URLs are in the environment, or skip the test."""
    public, admin = os.environ.get(PUBLIC, "").rstrip("/"), os.environ.get(ADMIN, "").rstrip("/")
    if not public or not admin:
        pytest.skip(f"set {PUBLIC} and {ADMIN} to the public and admin URL of a Kratos")
    return _inspect(public, admin)


def fake_and_live(fake: Any, live: Any) -> list[Any]:
    """Return the parameters of a fixture: for a fake, and with the mark `live` for a real Kratos."""
    return [pytest.param(fake, id="fake"), pytest.param(live, id="live", marks=pytest.mark.live)]


@cache
def _inspect(public: str, admin: str) -> LiveKratos:
    login = _get(f"{public}/self-service/login/browser", accept="text/html")
    page = urlsplit(login.headers["location"])
    registration: dict[str, Any] = _get(f"{public}/self-service/registration/api").json()
    values = [node["attributes"].get("value") for node in registration.get("ui", {}).get("nodes", ())]
    return LiveKratos(
        public,
        admin,
        f"{page.scheme}://{page.netloc}",
        parse_version(_get(f"{admin}/admin/version").json()["version"]),
        "profile" in values,
    )


def _get(url: str, accept: str = "application/json") -> httpx2.Response:
    return httpx2.get(url, headers={"accept": accept}, trust_env=False, timeout=TIMEOUT, follow_redirects=False)


def parse_version(text: str) -> Version:
    """Return a release such as `v1.3.1` as numbers, and the newest version for anything else."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else NEWEST
