"""Tests of the URLs on pages and of the return URLs of flows."""

from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from example.deployment import APP_URL
from example.visitor import Visitor

from example_app.rendering import REPOSITORY
from ory_guard import GuardSettings
from ory_guard.ui.urls import safe_destination, safe_url

from .rendered_flows import Elements, an_input, flow_of, render_flow

pytestmark = pytest.mark.anyio

KRATOS: Final = "https://id.example"
SETTINGS: Final = GuardSettings(
    kratos_public_url="http://kratos.internal:4433",
    kratos_browser_url=KRATOS,
    app_url="https://shop.example/a",
    trusted_origins=("https://www.example",),
)
TRICKS: Final = (
    *("//evil.example/x", "/\\evil.example/x", "/\t/evil.example/x", "/.//evil.example/x"),
    *("/..//evil.example/x", "/x/../..//evil.example", "//evil.example", "///evil.example/x", "/\n/evil.example"),
)
FLOWS: Final = ("login", "registration", "recovery", "verification", "settings")


@pytest.mark.parametrize(
    ("url", "safe", "path"),
    [
        ("https://shop.example/a/me", "https://shop.example/a/me", "/a/me"),
        ("https://shop.example/a/me?x=1#y", "https://shop.example/a/me?x=1#y", "/a/me"),
        ("https://shop.example/a", "https://shop.example/a", None),
        ("https://shop.example/b", "https://shop.example/b", "/b"),
        ("/a/me", "https://shop.example/a/me", "/a/me"),
        ("https://www.example/x", "https://www.example/x", "www.example/x"),
        (f"{KRATOS}/self-service/settings/browser", f"{KRATOS}/self-service/settings/browser", None),
        *(
            (address, None, None)
            for address in (
                *(
                    None,
                    *("", "me", "//evil.example", "https://evil.example/", "https://evil.example"),
                    "javascript:1",
                ),
                *("JavaScript:alert(1)", "data:text/html,x", "\x01javascript:1", " https://shop.example/a/me"),
                *("https://shop.example@evil.example/a/", "https://shop.example.evil.example/a/", "http:///a"),
                *(f"{KRATOS}@evil.example/", f"{KRATOS}.evil.example/", f"{KRATOS}//evil.example/", "https://[::1"),
                *(f"{KRATOS}/../x", f"{KRATOS}/\\evil.example", f"{KRATOS}/\nx", f"{KRATOS}/a b", "\ud800"),
                *(f"https://shop.example/a{trick}" for trick in TRICKS),
                *(f"https://shop.example{trick}" for trick in TRICKS),
            )
        ),
    ],
)
def test_safe_url_accepts_the_application_trusted_origins_and_kratos(
    url: str | None, safe: str | None, path: str | None
) -> None:
    assert safe_url(SETTINGS, url) == safe
    assert safe_destination(SETTINGS, url) == (path and (safe, path))


def hrefs(html: str) -> list[str]:
    """Return every URL of a page."""
    elements = Elements(html).elements
    return [value for _, given in elements for name in ("href", "src", "action") if (value := given.get(name))]


@pytest.mark.parametrize("start", ["", "/.ory/self-service"], ids=["page", "Kratos"])
@pytest.mark.parametrize("trick", TRICKS)
async def test_pages_do_not_link_to_a_foreign_return_to(visitor: Visitor, start: str, trick: str) -> None:
    """Kratos accepts these URLs, because each starts with an allowed one."""
    return_to = quote(APP_URL + trick, safe="")
    for flow in FLOWS:
        tail = f"/{flow}/browser" if start else f"/{flow}"
        await visitor.open(f"{start}{tail}?return_to={return_to}&after_verification_return_to={return_to}")
        page = visitor.steps[-1]
        if page.status_code == 400:  # Kratos responds with JSON to a browser that starts a verification
            assert (flow, page.headers["content-type"]) == ("verification", "application/json")
            continue
        shown = hrefs(page.text)
        assert len(shown) > 3, f"{flow}: {page.status_code}"
        for address in shown:
            if not address.startswith(f"{REPOSITORY}/"):
                assert urlsplit(urljoin(visitor.url, address)).netloc == urlsplit(APP_URL).netloc, address
            assert "evil.example" not in unquote(unquote(address)), address


async def test_return_to_is_passed_to_other_flows_and_linked(visitor: Visitor) -> None:
    return_to = f"{APP_URL}/members"
    await visitor.register("ada@example.test")
    await visitor.press("Sign out")
    await visitor.open(f"/login?return_to={quote(return_to, safe='')}")
    assert any(f"return_to={quote(return_to, safe='')}" in address for address in hrefs(visitor.steps[-1].text))
    await visitor.sign_in("ada@example.test")
    await visitor.open(f"/verification?return_to={quote(return_to, safe='')}")

    assert visitor.page.links["Skip for now"] == return_to


@pytest.mark.parametrize(
    ("attributes", "tag"),
    [
        ({"node_type": "a", "id": "a", "href": "https://evil.example/", "title": {"id": 1, "text": "On"}}, "a"),
        ({"node_type": "img", "id": "i", "src": "https://evil.example/x.png", "width": 1, "height": 2}, "img"),
        ({"node_type": "script", "id": "s", "src": "https://evil.example/x.js"}, "script"),
    ],
)
def test_unsafe_urls_of_nodes_are_omitted(attributes: dict[str, Any], tag: str) -> None:
    flow = flow_of({"type": attributes["node_type"], "group": "code", "attributes": attributes})
    html = render_flow(flow, url=lambda address: safe_url(SETTINGS, address))

    assert not Elements(html).of(tag)
    assert "message error unknown" in html


def test_form_with_an_unsafe_action_is_omitted() -> None:
    flow = flow_of(an_input("email"))

    assert Elements(render_flow(flow, url=lambda address: safe_url(SETTINGS, address))).of("form")
    html = render_flow(flow, url=lambda _: None)
    assert not Elements(html).of("form")
    assert "message error unknown" in html
