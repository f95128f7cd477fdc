"""Invalid arguments of `ForwardAuth` are sentences at startup."""

from typing import Any
from urllib.parse import quote

import pytest
from sub_requests import NAVIGATION, ForwardBench, forwarded
from support.guard_bench import settings_of

from ory_guard import OryGuard, Requirement
from ory_guard.exceptions import ConfigurationError
from ory_guard.forward_auth import ForwardAuth

pytestmark = pytest.mark.anyio

ANY = Requirement()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"secret": ""}, "secret must have at least 16 printable ASCII characters"),
        ({"secret": "short"}, "secret must have at least 16 printable ASCII characters"),
        ({"secret": "with a space in the middle"}, "secret must have at least 16"),
        ({"secret": "é" * 16}, "secret must have at least 16"),
        ({"secret": b"0123456789abcdef"}, "secret must have at least 16"),
        ({"routes": ["/a"]}, r"routes must be a mapping of paths to requirements \(got list\)"),
        ({"routes": {"a": ANY}}, "routes: 'a' must be a decoded path"),
        ({"routes": {7: ANY}}, "routes: '7' must be a decoded path"),
        ({"routes": {"/*": ANY}}, r"routes: '/\*' must be a prefix such as /static/\*"),
        ({"routes": {"/a;b": ANY}}, "routes: '/a;b' never matches"),
        ({"routes": {"/a%20b": ANY}}, "routes: '/a%20b' never matches"),
        ({"routes": {"/../a": None}}, "routes: '/../a' never matches"),
        (
            {"routes": {"/a": "public"}},
            r"routes: '/a' must have a Requirement, or None if it is public \(got 'public'",
        ),
        ({"routes": {"/a": Requirement}}, "routes: '/a' must have a Requirement"),
        ({"routes": {"/a": False}}, r"routes: '/a' must have a Requirement, or None if it is public \(got False\)"),
        ({"aal": "aal3"}, "aal: 'aal3' is not allowed"),
    ],
)
def test_invalid_argument(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        ForwardBench(app=arguments)


def test_guard_needs_an_app_url() -> None:
    settings = settings_of(app_url=None, credentials=("bearer",))

    with pytest.raises(ConfigurationError, match="ForwardAuth needs app_url"):
        ForwardAuth(OryGuard(settings))


def test_guard_is_required() -> None:
    with pytest.raises(ConfigurationError, match=r"guard must be an OryGuard \(got GuardSettings\)"):
        ForwardAuth(settings_of())  # type: ignore[arg-type] # the point of the test


@pytest.mark.parametrize(
    ("host", "status", "origin"),
    [
        ("app.example.com", 303, "https://app.example.com/"),
        ("app.example.com:443", 303, "https://app.example.com/"),
        ("app.example.com:80", 303, "http://app.example.com/"),
        ("app.example.com:81", 303, "http://app.example.com:81/"),
        ("app.example.com:81:80", 403, ""),
    ],
)
async def test_origins_with_the_same_host(host: str, status: int, origin: str) -> None:
    """Without a port, the host is that of `app_url`."""
    bench = ForwardBench(trusted_origins=("http://app.example.com", "http://app.example.com:81"))

    response = await bench.ask(forwarded("/page", host=host), NAVIGATION)

    location = (response.header(b"location") or b"").decode()
    assert response.status == status
    assert location.endswith(f"return_to={quote(origin, safe='')}page" if origin else "")
