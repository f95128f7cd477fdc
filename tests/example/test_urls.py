"""Addresses on the pages of the example: each is judged by one function."""

from typing import Any, Final
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest

from example_app.flow_forms import render_flow
from example_app.urls import safe_path, safe_url
from ory_guard import GuardSettings

from .deployment import APP_URL
from .test_flow_forms import Elements, an_input, flow_of
from .visitor import Visitor

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
    ("address", "judged", "path"),
    [
        ("https://shop.example/a/me", "https://shop.example/a/me", "/a/me"),
        ("https://shop.example/a/me?x=1#y", "https://shop.example/a/me?x=1#y", "/a/me"),
        ("https://shop.example/a", "https://shop.example/a", None),
        ("https://shop.example/b", "https://shop.example/b", None),
        ("/a/me", "https://shop.example/a/me", "/a/me"),
        ("https://www.example/x", "https://www.example/x", None),
        (f"{KRATOS}/self-service/settings/browser", f"{KRATOS}/self-service/settings/browser", None),
        *(
            (address, None, None)
            for address in (
                *(
                    None,
                    "",
                    "me",
                    "//evil.example",
                    "https://evil.example/",
                    "https://evil.example",
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
def test_an_address_is_shown_if_it_leads_into_the_application_or_to_kratos(
    address: str | None, judged: str | None, path: str | None
) -> None:
    """Paths are shown of the application's own addresses only."""
    assert safe_url(SETTINGS, address) == judged
    assert safe_path(SETTINGS, address) == path


def hrefs(html: str) -> list[str]:
    """Return every address of a page."""
    found = Elements(html).found
    return [value for _, given in found for name in ("href", "src", "action") if (value := given.get(name))]


@pytest.mark.parametrize("start", ["", "/.ory/self-service"], ids=["page", "Kratos"])
@pytest.mark.parametrize("trick", TRICKS)
async def test_no_page_links_to_a_foreign_page(visitor: Visitor, start: str, trick: str) -> None:
    """Kratos takes each of these, since they begin with an allowed address; no link carries one on."""
    wanted = quote(APP_URL + trick, safe="")
    for flow in FLOWS:
        tail = f"/{flow}/browser" if start else f"/{flow}"
        await visitor.open(f"{start}{tail}?return_to={wanted}&after_verification_return_to={wanted}")
        shown = hrefs(visitor.steps[-1].text)
        assert len(shown) > 3, f"{flow}: {visitor.steps[-1].status_code}"
        for address in shown:
            assert urlsplit(urljoin(visitor.url, address)).netloc == urlsplit(APP_URL).netloc, address
            assert "evil.example" not in unquote(unquote(address)), address


async def test_the_way_back_of_a_flow_is_shown(visitor: Visitor) -> None:
    """A good address goes on to the next flow, and is the link of those who verify their address later."""
    wanted = f"{APP_URL}/members"
    await visitor.open(f"/login?return_to={quote(wanted, safe='')}")
    assert any(f"return_to={quote(wanted, safe='')}" in address for address in hrefs(visitor.steps[-1].text))
    await visitor.open(f"/verification?return_to={quote(wanted, safe='')}")

    assert visitor.page.links["Do this later"] == "/members"


@pytest.mark.parametrize(
    ("attributes", "tag"),
    [
        ({"node_type": "a", "id": "a", "href": "https://evil.example/", "title": {"id": 1, "text": "On"}}, "a"),
        ({"node_type": "img", "id": "i", "src": "https://evil.example/x.png", "width": 1, "height": 2}, "img"),
        ({"node_type": "script", "id": "s", "src": "https://evil.example/x.js"}, "script"),
    ],
)
def test_the_address_of_a_node_is_judged(attributes: dict[str, Any], tag: str) -> None:
    """A page says what it left out."""
    flow = flow_of({"type": attributes["node_type"], "group": "code", "attributes": attributes})
    html = render_flow(flow, url=lambda address: safe_url(SETTINGS, address))

    assert not Elements(html).of(tag)
    assert "can't show" in html


def test_the_address_of_a_form_is_judged() -> None:
    """What people type goes to Kratos, or nowhere."""
    flow = flow_of(an_input("email"))

    assert Elements(render_flow(flow, url=lambda address: safe_url(SETTINGS, address))).of("form")
    html = render_flow(flow, url=lambda _: None)
    assert not Elements(html).of("form")
    assert "can't be shown" in html


@pytest.mark.parametrize(
    "address", ["javascript:1", "//evil.example", "/\t/evil.example", "https://x\n", "ftp://x/"]
)
def test_without_a_judge_only_web_addresses_are_shown(address: str) -> None:
    """For applications that take the renderer along."""
    attributes = {"node_type": "a", "id": "a", "href": address, "title": {"id": 1, "text": "On"}}

    assert not Elements(render_flow(flow_of({"type": "a", "group": "code", "attributes": attributes}))).of("a")
