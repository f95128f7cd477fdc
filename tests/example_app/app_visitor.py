"""A person with a browser that knows no JavaScript: follows redirects, keeps cookies, fills in forms."""

import re
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx2
from app_forms import Button, Form, Page, parse

__all__ = ["Visitor"]


class Visitor:
    """Opens pages and submits forms, with the headers that a browser sends.

    Args:
        app: The application under test.
        app_url: Its origin.
        outside: How to reach every other origin, such as a real Kratos'.

    Attributes:
        page: What is on the page that is open.
        status: The status it came with.
        url: Its address.
        trace: Every step of the way to it: status and path.
    """

    def __init__(self, app: Any, app_url: str, *, outside: httpx2.AsyncBaseTransport | None = None) -> None:
        self.app_url = app_url
        inside = httpx2.ASGITransport(app=app, client=("127.0.0.1", 50_000))
        self.client = httpx2.AsyncClient(
            transport=outside or inside,
            mounts={app_url: inside},
            headers={"user-agent": "Visitor", "accept": "text/html", "sec-fetch-mode": "navigate"},
            follow_redirects=True,
        )
        self.page = Page()
        self.status = 0
        self.url = app_url
        self.trace: list[tuple[int, str]] = []
        self.response: httpx2.Response | None = None

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

    def message(self, pattern: str) -> str:
        """Return the first group of a pattern that the page's text has to match.

        Raises:
            AssertionError: It does not.
        """
        found = re.search(pattern, self.page.text)
        assert found is not None, f"{pattern!r} is not in {self.page.text!r}"
        return found[1]

    async def open(self, address: str) -> Page:
        """Open a page."""
        return self._look(await self.client.get(urljoin(self.url, address), headers={"sec-fetch-site": "none"}))

    async def follow(self, link: str) -> Page:
        """Follow the link of these words."""
        return await self.open(self.page.links[link])

    async def press(self, button: str, **typed: str) -> Page:
        """Fill in fields and press a button; `__` in a field's name stands for a dot.

        Raises:
            AssertionError: There is no such button or field, or a required field is left empty.
        """
        form, pressed = self.page.form_with(button)
        return await self.press_in(form, pressed, **typed)

    async def press_in(self, form: Form, pressed: Button, **typed: str) -> Page:
        """Fill in fields of a form and press one of its buttons."""
        values = {name.replace("__", "."): value for name, value in typed.items()}
        unknown = values.keys() - {name for name, _ in form.fields}
        assert not unknown, f"the form has no field {unknown}, only {form.fields}"
        pairs = [(name, values.get(name, value)) for name, value in form.fields]
        if pressed.name is not None:
            pairs.append((pressed.name, pressed.value))
        return self._look(await self._send(form.method, urljoin(self.url, form.action), pairs))

    async def _send(self, method: str, address: str, pairs: list[tuple[str, str]]) -> httpx2.Response:
        data: dict[str, list[str]] = {}
        for name, value in pairs:
            data.setdefault(name, []).append(value)
        origin = "://".join(urlsplit(self.url)[:2])
        site = "same-origin" if address.startswith(f"{origin}/") else "same-site"
        headers = {"referer": self.url, "origin": origin, "sec-fetch-site": site}
        return await self.client.request(method.upper(), address, data=data, headers=headers)

    def _look(self, response: httpx2.Response) -> Page:
        steps = [*response.history, response]
        self.trace = [(step.status_code, step.url.path) for step in steps]
        self.status, self.url, self.response = response.status_code, str(response.url), response
        assert all(status < 500 for status, _ in self.trace), f"{self.trace}: {response.text[:300]}"
        self.page = parse(response.text)
        return self.page
