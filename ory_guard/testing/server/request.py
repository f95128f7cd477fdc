"""A request to the fake, and the cookies that its response sets."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from starlette.datastructures import Headers

from ory_guard.testing.server import csrf
from ory_guard.testing.server.cookies import CookieJar, parse_cookies
from ory_guard.testing.server.query_string import parse_query
from ory_guard.testing.server.uuids import canonical_uuid
from ory_guard.testing.store.form_values import parse_bool

__all__ = ["FakeRequest", "MalformedBodyError"]


FORM: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
_QUALITY: Final = re.compile(r"q=([01](?:\.[0-9]*)?)")


class MalformedBodyError(ValueError):
    """The request body is neither a JSON object nor form fields."""


class FakeRequest:
    """A request, as operations read it.

    Args:
        method: The HTTP method.
        path: The decoded path, relative to the mount point.
        query_string: The query, as sent.
        headers: The request headers.
        body: The complete body.
        client: The address and port of the client.
        jar: Decodes the anti-CSRF cookie and formats Set-Cookie headers.

    Attributes:
        json_only: Whether the operation responds with JSON to browsers, too.
        set_cookies: The Set-Cookie headers added so far.
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
        self.query_pairs: list[tuple[str, str]] = parse_query(query_string)
        self.query: dict[str, str] = dict(reversed(self.query_pairs))
        self.headers = headers
        self.body = body
        self.client = client
        self.cookies: list[tuple[str, str]] = [
            pair for line in headers.getlist("cookie") for pair in parse_cookies(line)
        ]
        self.json_only = False
        self.set_cookies: list[str] = []
        self._jar = jar
        self._csrf_secret = self._read_csrf_cookie()

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def prefers_json(self) -> bool:
        """Whether the client prefers JSON to HTML: by its Accept header, or because it sent JSON."""
        return self.json_only or self.headers.get("content-type") == "application/json" or self.accepts_json

    @property
    def accepts_json(self) -> bool:
        """Whether the Accept header prefers JSON to HTML."""
        accept = self.headers.get("accept", "")
        return _media_type_preference(accept, "application/json") > _media_type_preference(accept, "text/html")

    def cookie_values(self, name: str) -> list[str]:
        """Return the values of all cookies with this name, in order."""
        return [value for cookie, value in self.cookies if cookie == name]

    def flag(self, name: str) -> bool:
        """Return whether a query parameter is true, by the rules of Go's `strconv.ParseBool`."""
        return parse_bool(self.query.get(name, "")) is True

    @property
    def organization_id(self) -> str | None:
        """The parameter `organization`, if it is a UUID."""
        return canonical_uuid(self.query.get("organization", ""))

    def submitted(self) -> list[tuple[str, Any]]:
        """Return the names and values of the body in order; a form can repeat names.

        Raises:
            MalformedBodyError: If the body is neither a JSON object nor form fields.
        """
        if self.content_type == "application/json":
            return list(self.json_object().items())
        if self.content_type == MULTIPART:
            return []  # Kratos reads no fields from multipart forms
        if self.content_type != FORM:
            raise MalformedBodyError(f"the content type is {self.content_type!r}")
        if not self.body:
            raise MalformedBodyError("the body is empty")
        pairs: list[tuple[str, Any]] = []
        try:
            pairs.extend(parse_query(self.body.decode(errors="replace"), strict=True))
        except ValueError as error:
            raise MalformedBodyError(str(error)) from error
        return pairs

    def json_object(self) -> dict[str, Any]:
        """Return the JSON object in the body, whatever its content type is.

        Raises:
            MalformedBodyError: If it is not one.
        """
        return _json_object(self.body)

    def json_object_or_null(self) -> dict[str, Any]:
        """Return the JSON object in the body, which is empty for null.

        Raises:
            MalformedBodyError: If it is neither an object nor null.
        """
        return {} if self.body.strip() == b"null" else self.json_object()

    def payload(self) -> dict[str, Any]:
        """Return the fields of the body; the first value of a repeated form field counts.

        Raises:
            MalformedBodyError: If the body is neither a JSON object nor form fields.
        """
        return dict(reversed(self.submitted()))

    @property
    def has_csrf_cookie(self) -> bool:
        """Whether the request has a valid anti-CSRF cookie."""
        return self._csrf_secret is not None

    def csrf_secret(self) -> bytes:
        """Return the client's anti-CSRF secret, creating one if the request has none."""
        return self._csrf_secret or self.renew_csrf()

    def renew_csrf(self) -> bytes:
        """Replace the client's anti-CSRF secret and return the new one."""
        self._csrf_secret = csrf.new_secret()
        self.set_cookies.append(self._jar.csrf_cookie(self._csrf_secret))
        return self._csrf_secret

    def csrf_matches(self, token: object) -> bool:
        """Return whether the token matches the anti-CSRF cookie."""
        return csrf.verify(self._csrf_secret, token)

    def sends_csrf_token(self) -> bool:
        """Return whether the X-CSRF-Token header or a form field matches the anti-CSRF cookie."""
        return self.csrf_matches(self._plain_csrf_token())

    @property
    def has_csrf_token(self) -> bool:
        """Whether the request has an X-CSRF-Token header or an anti-CSRF token in a form field."""
        return bool(self._plain_csrf_token())

    def _plain_csrf_token(self) -> str | None:
        token = self.headers.get("x-csrf-token")
        if token is None and self.content_type == FORM:
            return dict(reversed(parse_query(self.body.decode("latin-1")))).get("csrf_token")
        return token

    def _read_csrf_cookie(self) -> bytes | None:
        values = self.cookie_values(self._jar.csrf_cookie_name)
        return csrf.parse_secret(values[0]) if values else None


def _json_object(body: bytes) -> dict[str, Any]:
    """Return the first JSON value of a body; like Kratos, without reading what follows it."""
    try:
        fields, _ = _DECODER.raw_decode(body.decode(errors="replace").lstrip(" \t\r\n"))
    except (ValueError, RecursionError) as error:
        raise MalformedBodyError("the body is not JSON") from error
    if not isinstance(fields, dict):
        raise MalformedBodyError("the body is not a JSON object")
    return fields


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a JSON number")
    return number


_DECODER: Final = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)


def _media_type_preference(accept: str, kind: str) -> tuple[float, int]:
    """Return the quality of a media type and how specific its range is; on a tie, HTML is preferred."""
    ranges = {kind: 2, f"{kind.partition('/')[0]}/*": 1, "*/*": 0}
    found = ((quality, ranges[name]) for name, quality in _media_ranges(accept) if name in ranges)
    return max(found, default=(0.0, 0))


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Yield media ranges with their quality. Kratos stops reading at a range with another parameter than `q`."""
    for part in accept.split(","):
        name, _, parameters = part.strip().partition(";")
        match = _QUALITY.match(parameters.strip())
        if ";" in part and match is None:
            return
        yield name.strip(), float(match[1]) if match else 1.0
