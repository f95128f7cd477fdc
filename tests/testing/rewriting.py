"""The recordings in the words of another Kratos: its address, its cookie, and people it does not know yet."""

import re
import secrets
from collections.abc import Callable

import httpx2
from places import Place

RECORDED_URL = "http://127.0.0.1:4433"
_CSRF_COOKIE = re.compile(r"csrf_token_[0-9a-f]{64}")
_PEOPLE = re.compile(r"-[0-9]{10}@example\.test")


async def rewriting_for(place: Place) -> Callable[[str], str]:
    """Return what rewrites the text of the recordings for one run against a Kratos.

    The name of the anti-CSRF cookie depends on the address, so it is taken from a first answer. The people get
    new addresses, since a Kratos remembers those of earlier runs.
    """
    request = httpx2.Request(
        "GET", f"{place.public}/self-service/login/browser", headers={"accept": "application/json"}
    )
    answer = await place.transport.handle_async_request(request)
    await answer.aread()
    (csrf_cookie,) = set(_CSRF_COOKIE.findall(answer.headers.get("set-cookie", "")))
    people = f"-{secrets.randbelow(10**10):010d}@example.test"

    def rewrite(text: str) -> str:
        text = _CSRF_COOKIE.sub(csrf_cookie, text.replace(RECORDED_URL, place.public))
        return _PEOPLE.sub(people, text)

    return rewrite
