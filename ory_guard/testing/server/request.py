"""One request to the fake, and the cookies that its answer will set."""

import json
import math
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import Headers

from ory_guard.testing.server import csrf
from ory_guard.testing.server.cookies import CookieJar, parse_cookies

__all__ = ["Exchange", "MalformedBodyError"]


class MalformedBodyError(ValueError):
    """A body that is neither a JSON object nor form fields."""


class Exchange:
    """
    A request as an operation reads it.

    Args:
        method: The HTTP method.
        path: The decoded path below the place where the app is mounted.
        query_string: The query as sent.
        headers: The request's headers.
        body: The whole body.
        client: Address and port of the caller.
        jar: Reads the anti-CSRF cookie and writes Set-Cookie lines.

    Attributes:
        json_only: Set for operations that answer browsers with JSON, too.
        set_cookies: The Set-Cookie lines so far.
    """

    def __init__(
        self,
        method: str,
        path: str,
        query_string: str,
        headers: Headers,
        *,
        body: bytes = b"",
        client: str = "",
        jar: CookieJar,
    ) -> None:
        self.method = method
        self.path = path
        self.query_string = query_string
        self.query: dict[str, str] = dict(reversed(parse_qsl(query_string, keep_blank_values=True)))
        self.headers = headers
        self.body = body
        self.client = client
        self.cookies: list[tuple[str, str]] = [
            pair for line in headers.getlist("cookie") for pair in parse_cookies(line)
        ]
        self.json_only = False
        self.set_cookies: list[str] = []
        self._jar = jar
        self._csrf_secret = self._sent_csrf_secret()

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def wants_json(self) -> bool:
        """Tell whether the caller takes JSON: it prefers it to HTML, or sends it."""
        if self.json_only or self.content_type == "application/json":
            return True
        accept = self.headers.get("accept", "")
        return _preference(accept, "application/json") > _preference(accept, "text/html")

    def cookie_values(self, name: str) -> list[str]:
        """Return the values of all cookies of that name, in order."""
        return [value for found, value in self.cookies if found == name]

    def flag(self, name: str) -> bool:
        """Tell whether a query parameter is true in one of the ways that Go takes for true."""
        return self.query.get(name, "") in {"1", "t", "T", "true", "TRUE", "True"}

    def payload(self) -> dict[str, Any]:
        """
        Return the body's fields; dotted names of forms are nested.

        Raises:
            MalformedBodyError: The body is neither a JSON object nor form fields.
        """
        if self.content_type == "application/json":
            return _json_object(self.body)
        try:
            fields = parse_qsl(self.body.decode(), keep_blank_values=True)
        except UnicodeDecodeError as error:
            raise MalformedBodyError("the form is not UTF-8") from error
        nested: dict[str, Any] = {}
        for name, value in fields:
            _nest(nested, name.split("."), value)
        return nested

    @property
    def has_csrf_cookie(self) -> bool:
        """Tell whether the caller has a usable anti-CSRF cookie already."""
        return self._csrf_secret is not None

    def csrf_secret(self) -> bytes:
        """Return the caller's anti-CSRF secret; a new one is set where there is none."""
        return self._csrf_secret or self.renew_csrf()

    def renew_csrf(self) -> bytes:
        """Give the caller a new anti-CSRF secret and return it."""
        self._csrf_secret = csrf.new_secret()
        self.set_cookies.append(self._jar.csrf_line(self._csrf_secret))
        return self._csrf_secret

    def csrf_matches(self, token: object) -> bool:
        """Tell whether a form token (or the X-CSRF-Token header) fits the caller's cookie."""
        return csrf.verified(self._csrf_secret, token or self.headers.get("x-csrf-token"))

    def _sent_csrf_secret(self) -> bytes | None:
        values = self.cookie_values(self._jar.csrf_name)
        return csrf.read_secret(values[0]) if values else None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body or b"{}", parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise MalformedBodyError("the body is not a JSON object")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a number that JSON knows")
    return number


def _nest(fields: dict[str, Any], names: list[str], value: str) -> None:
    for name in names[:-1]:
        inner = fields.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        fields = inner
    fields[names[-1]] = value


def _preference(accept: str, kind: str) -> tuple[float, int]:
    """Weigh a media type: its quality first, then how exactly it is named; a tie is HTML's."""
    ranges = {kind: 2, f"{kind.partition('/')[0]}/*": 1, "*/*": 0}
    best = (0.0, 0)
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        if name.strip().lower() in ranges:
            best = max(best, (_quality(parameters), ranges[name.strip().lower()]))
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        key, _, value = parameter.strip().partition("=")
        if key == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
