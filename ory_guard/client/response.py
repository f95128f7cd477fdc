"""The return type of `with_response`: a decoded response together with its status, headers and cookies."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx2

from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["Response", "make_response", "set_cookie_values"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Response(Generic[T_co]):
    """A whole response. Its `repr` shows only the status.

    Attributes:
        parsed: The operation's return value without `with_response`.
        status_code: The HTTP status.
        headers: The headers; names are case-insensitive, repeated headers are kept apart.
        set_cookies: The values of the `Set-Cookie` headers, to be forwarded to the browser unchanged.
    """

    parsed: T_co = field(repr=False)
    status_code: int
    headers: httpx2.Headers = field(repr=False)
    set_cookies: tuple[str, ...] = field(repr=False)


def make_response(response: HTTPResponse, parsed: T) -> Response[T]:
    """Return a `Response` from an HTTP response and its decoded body."""
    return Response(parsed, response.status, httpx2.Headers(list(response.headers)), set_cookie_values(response))


def set_cookie_values(response: HTTPResponse) -> tuple[str, ...]:
    """Return the values of a response's `Set-Cookie` headers."""
    return tuple(value.decode("latin-1") for value in response.values(b"set-cookie"))
