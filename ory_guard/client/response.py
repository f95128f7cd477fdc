"""What `with_response` gives: the parsed answer together with its status, headers and cookies."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

import httpx2

from ory_guard.whoami import Answer

__all__ = ["Response", "response_of", "set_cookies_of"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Response(Generic[T_co]):
    """A whole answer; its `repr` shows the status alone.

    Attributes:
        parsed: What the operation returns without `with_response`.
        status_code: The HTTP status.
        headers: The headers; names in any case, several values of one name kept apart.
        set_cookies: The values of the `Set-Cookie` headers, to be handed on to the browser as they are.
    """

    parsed: T_co = field(repr=False)
    status_code: int
    headers: httpx2.Headers = field(repr=False)
    set_cookies: tuple[str, ...] = field(repr=False)


def response_of(answer: Answer, parsed: T) -> Response[T]:
    """Join an answer with what was read from it."""
    return Response(parsed, answer.status, httpx2.Headers(answer.headers), set_cookies_of(answer))


def set_cookies_of(answer: Answer) -> tuple[str, ...]:
    """Return the values of an answer's `Set-Cookie` headers."""
    return tuple(value.decode("latin-1") for name, value in answer.headers if name == b"set-cookie")
