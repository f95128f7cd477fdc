"""An application with `FlowPages` at a mount, on a fake Kratos, and a browser without JavaScript."""

from typing import Any, Final

import httpx2
from fastapi import Depends, FastAPI

from ory_guard import GuardSettings, OryGuard
from ory_guard.fastapi import CurrentSession, install, require_aal
from ory_guard.testing import FakeKratos
from ory_guard.ui import FlowPages

__all__ = ["APP_URL", "HEADERS", "Mounted"]

APP_URL: Final = "http://127.0.0.1:8000"
KRATOS_URL: Final = "http://127.0.0.1:4433"
HEADERS: Final = {"sec-fetch-mode": "navigate", "sec-fetch-site": "none", "accept": "text/html"}


class Mounted:
    """The application and a client that stores cookies.

    Args:
        mount: The path of the pages.
        root_path: The prefix at which the server runs, which is a part of `app_url`.
        settings: More settings of the guard.
        fake: Settings of the fake.
        with_middleware: Whether the application has the guard's middleware.
        pages: Arguments of `FlowPages`.
    """

    def __init__(
        self,
        *,
        mount: str = "/auth",
        root_path: str = "",
        settings: dict[str, Any] | None = None,
        fake: dict[str, Any] | None = None,
        with_middleware: bool = True,
        **pages: Any,
    ) -> None:
        self.app_url = APP_URL + root_path
        self.mount_url = self.app_url + mount
        self.fake = FakeKratos(
            **{
                "public_url": KRATOS_URL,
                "ui_url": self.mount_url,
                "default_return_url": f"{self.app_url}/vault",
                "allowed_return_urls": (self.app_url,),
                **(fake or {}),
            }
        )
        guard_settings = GuardSettings(kratos_public_url=KRATOS_URL, app_url=self.app_url, **(settings or {}))
        self.guard = OryGuard(
            guard_settings, transport=httpx2.ASGITransport(app=self.fake.app), clock=self.fake.clock
        )
        self.app = FastAPI()
        self.pages = FlowPages(self.guard, **pages)
        self.app.mount(mount, self.pages)
        if with_middleware:
            install(self.app, self.guard)

            @self.app.get("/vault", dependencies=[Depends(require_aal("aal2"))])
            async def vault(session: CurrentSession) -> str | None:
                return session.authenticator_assurance_level

        self.client = httpx2.AsyncClient(
            mounts={
                APP_URL: httpx2.ASGITransport(app=self.app, root_path=root_path),
                KRATOS_URL: httpx2.ASGITransport(app=self.fake.app),
            },
            transport=httpx2.MockTransport(lambda request: httpx2.Response(599, text=str(request.url))),
            headers=HEADERS,
            follow_redirects=True,
        )

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        """Return the response to a page below the mount, after redirects."""
        return await self.client.get(self.mount_url + path, **options)

    def sign_in(self, **options: Any) -> Any:
        """Sign the browser in as a new identity, and return its session."""
        signed_in = self.fake.sign_in(self.fake.add_identity(), **options)
        self.client.cookies.set(signed_in.cookie_name, signed_in.cookie, domain="127.0.0.1", path="/")
        return signed_in
