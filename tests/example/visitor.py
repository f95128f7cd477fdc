"""A browser without JavaScript: follows redirects, stores cookies, submits forms."""

import re
import ssl
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin, urlsplit

import httpx2

from .deployment import LIVE_TIMEOUT, PASSWORD, Deployment
from .html_page import Button, Form, Page, parse

__all__ = ["Visitor"]

_TLS: Final = ssl.create_default_context()


class Visitor:
    """Opens pages and submits forms with the headers of a browser; a 5xx response fails the test.

    Args:
        deployment: The application under test; a real Kratos is reached over the network.

    Attributes:
        page: The contents of the open page.
        status: The status of its response.
        url: Its URL.
        steps: The responses that led to it, with redirects.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.client = httpx2.AsyncClient(
            # Shared: a transport created by the client would load certificates for 50 ms.
            transport=httpx2.AsyncHTTPTransport(verify=_TLS, trust_env=False),
            mounts={deployment.app_url: httpx2.ASGITransport(app=deployment.app, client=("127.0.0.1", 50_000))},
            headers={"user-agent": "Visitor", "accept": "text/html", "sec-fetch-mode": "navigate"},
            follow_redirects=True,
            trust_env=False,
            timeout=LIVE_TIMEOUT,
        )
        self.page = Page()
        self.status = 0
        self.url = deployment.app_url
        self.steps: list[httpx2.Response] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.aclose()

    @property
    def path(self) -> str:
        """The path of the open page."""
        return urlsplit(self.url).path

    async def open(self, url: str) -> Page:
        """Open a page."""
        return self._read(await self.client.get(urljoin(self.url, url), headers={"sec-fetch-site": "none"}))

    async def follow(self, link: str) -> Page:
        """Follow the link with a text."""
        return await self.open(self.page.links[link])

    async def press(self, button: str, **values: str) -> Page:
        """Fill in fields and press a button (see `Page.form_with`); `__` in the name of a field is a dot."""
        form, pressed = self.page.form_with(button)
        return await self.press_in(form, pressed, **values)

    async def press_in(self, form: Form, pressed: Button, **values: str) -> Page:
        """Fill in fields of a form and press one of its buttons.

        Raises:
            AssertionError: If the form does not have one of the fields.
        """
        typed = {name.replace("__", "."): value for name, value in values.items()}
        unknown = typed.keys() - {name for name, _ in form.fields}
        assert not unknown, f"the form has no field {unknown}, only {form.fields}"
        data: dict[str, list[str]] = {}
        for name, value in form.fields:
            data.setdefault(name, []).append(typed.get(name, value))
        if pressed.name:
            data.setdefault(pressed.name, []).append(pressed.value)
        address = urljoin(self.url, form.action)
        origin = "://".join(urlsplit(self.url)[:2])
        site = "same-origin" if address.startswith(f"{origin}/") else "same-site"
        headers = {"referer": self.url, "origin": origin, "sec-fetch-site": site}
        return self._read(await self.client.request(form.method.upper(), address, data=data, headers=headers))

    def _read(self, response: httpx2.Response) -> Page:
        self.steps = [*response.history, response]
        self.status, self.url = response.status_code, str(response.url)
        trace = [(step.status_code, str(step.url)) for step in self.steps]
        assert all(status < 500 for status, _ in trace), f"{trace}: {response.text[:300]}"
        self.page = parse(response.text)
        return self.page

    async def register(self, email: str) -> None:
        """Create an account; the verification page is open afterwards."""
        await self.open("/registration")
        await self.press("method=profile", traits__email=email, traits__name__first="Ada")
        await self.press("method=password", password=PASSWORD)
        assert self.path == "/verification", self.page.text

    async def sign_in(self, email: str, password: str = PASSWORD) -> None:
        """Submit the open sign-in page."""
        await self.press("method=password", identifier=email, password=password)

    async def enroll_totp(self) -> str:
        """Set up an authenticator app on the open settings page, and return its secret."""
        secret = next(code for code in self.page.codes if re.fullmatch(r"[A-Z2-7]{32}", code))
        await self.press("method=totp", totp_code=self.deployment.totp(secret))
        return secret
