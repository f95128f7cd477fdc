"""An application with `FlowPages` on a socket, on a fake Kratos of another origin or on a real one."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pyotp
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from support.threaded_server import LateApplication, served

from ory_guard import GuardSettings, OryGuard
from ory_guard.fastapi import install, require_aal
from ory_guard.testing import FakeKratos
from ory_guard.ui import FlowPages

__all__ = ["WalkedSite", "fake_site", "live_site"]

HOME: Final = '<!doctype html><html lang="en"><title>Home</title><link rel="icon" href="data:,"><h1>Home</h1>'


@dataclass
class WalkedSite:
    """A running application, and the emails of its Kratos.

    Attributes:
        app_url: The URL of the application; `/vault` requires a second factor.
        mount_url: The URL of the pages.
        fake: The fake Kratos, or None for a real one.
        admin_url: The admin URL of a real Kratos.
    """

    app_url: str
    mount_url: str
    fake: FakeKratos | None = None
    admin_url: str = ""

    def codes(self, email: str) -> list[str]:
        """Return the codes in the emails to an address, newest first."""
        if self.fake is not None:
            return [message.code for message in self.fake.messages if message.recipient == email]
        response = httpx2.get(f"{self.admin_url}/admin/courier/messages", params={"recipient": email})
        newest = sorted(response.json(), key=lambda message: str(message["created_at"]), reverse=True)
        return [re.findall(r"\b[0-9]{6}\b", message["body"])[0] for message in newest]

    def totp(self, secret: str, ahead: float = 0) -> str:
        """Return the code of an authenticator app, now or some seconds ahead."""
        now = time.time() if self.fake is None else self.fake.clock.time()
        return pyotp.TOTP(secret).at(int(now + ahead))

    def require_no_cors(self) -> None:
        """Skip the test if the pages may load scripts of Kratos."""
        if self.fake is None:
            script = f"{os.environ['ORY_GUARD_LIVE_KRATOS']}/.well-known/ory/webauthn.js"
            if "access-control-allow-origin" in httpx2.get(script, headers={"origin": self.app_url}).headers:
                pytest.skip("this Kratos has serve.public.cors")

    def wait(self) -> None:
        """Let the time pass after which a redirect is a click."""
        if self.fake is None:
            time.sleep(2)
        else:
            self.fake.clock.advance(2)


def _application(guard: OryGuard, mount: str) -> FastAPI:
    app = FastAPI()
    install(app, guard)
    app.mount(mount, FlowPages(guard, brand="Acme"))

    @app.get("/", response_class=HTMLResponse)
    async def home() -> str:
        return HOME

    @app.get("/vault", dependencies=[Depends(require_aal("aal2"))], response_class=HTMLResponse)
    async def vault() -> str:
        return HOME.replace("Home", "Vault")

    return app


@contextmanager
def fake_site(**settings: Any) -> Iterator[WalkedSite]:
    """Serve the application and a fake Kratos, each on a port of its own, without CORS."""
    late = LateApplication()

    def make_fake(app_url: str) -> Any:
        def make(kratos_url: str) -> tuple[Any, FakeKratos]:
            given: dict[str, Any] = {
                "ui_url": f"{app_url}/auth",
                "default_return_url": app_url,
                "allowed_return_urls": (app_url,),
            }
            fake = FakeKratos(public_url=kratos_url, **given, **settings)
            return fake.app, fake

        return make

    with served(lambda url: (late, url)) as app_url, served(make_fake(app_url)) as fake:
        guard_settings = GuardSettings(
            kratos_public_url=fake.settings.public_url, app_url=app_url, login_url=f"{app_url}/auth", timeout=30
        )
        late.app = _application(OryGuard(guard_settings, clock=fake.clock), "/auth")
        yield WalkedSite(app_url, f"{app_url}/auth", fake)


@contextmanager
def live_site() -> Iterator[WalkedSite]:
    """Serve the application where the login flow of a real Kratos leads, or skip the test."""
    public, admin = os.environ.get("ORY_GUARD_LIVE_KRATOS"), os.environ.get("ORY_GUARD_LIVE_KRATOS_ADMIN")
    if not public or not admin:
        pytest.skip("set ORY_GUARD_LIVE_KRATOS and ORY_GUARD_LIVE_KRATOS_ADMIN to a Kratos' public and admin URL")
    start = httpx2.get(f"{public}/self-service/login/browser", headers={"accept": "text/html"})
    page = urlsplit(start.headers["location"])
    app_url, mount = f"{page.scheme}://{page.netloc}", page.path.removesuffix("/login")
    if not mount:
        pytest.skip(f"the pages of this Kratos are at {app_url}, without a mount")
    settings = GuardSettings(kratos_public_url=public, app_url=app_url, login_url=app_url + mount, timeout=30)
    app = _application(OryGuard(settings), mount)
    site = WalkedSite(app_url, app_url + mount, admin_url=admin.rstrip("/"))
    with served(lambda _url: (app, site), port=page.port or 80):
        yield site
