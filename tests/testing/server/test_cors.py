"""Cross-origin requests; the recordings of v26.2.0 have some without CORS."""

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, ManualClock

pytestmark = pytest.mark.anyio

UI = "http://127.0.0.1:4455"
FOREIGN = "http://evil.test"


@pytest.fixture
def fake(clock: ManualClock) -> FakeKratos:
    """A fake with CORS for the UI."""
    return FakeKratos(clock=clock, cors_enabled=True)


def cors_headers(response: httpx2.Response) -> dict[str, str]:
    """Return the CORS headers of a response, without their common prefix."""
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in response.headers.items() if name.startswith(prefix)}


@pytest.mark.parametrize(
    ("origin", "requested", "expected"),
    [
        (
            UI,
            {"method": "POST", "headers": "content-type,x-session-token"},
            {
                "allow-origin": UI,
                "allow-credentials": "true",
                "allow-methods": "POST",
                "allow-headers": "content-type,x-session-token",
            },
        ),
        (UI, {"method": "GET"}, {"allow-origin": UI, "allow-credentials": "true", "allow-methods": "GET"}),
        (FOREIGN, {"method": "POST", "headers": "content-type"}, {}),
    ],
    ids=["with headers", "without headers", "foreign origin"],
)
async def test_preflight_allows_the_ui_only(
    browser: FlowClient, origin: str, requested: dict[str, str], expected: dict[str, str]
) -> None:
    headers = {f"access-control-request-{name}": value for name, value in requested.items()}
    response = await browser.client.options("/self-service/login", headers={**headers, "origin": origin})

    assert response.status_code == 204
    assert cors_headers(response) == expected


async def test_star_allows_all_origins() -> None:
    client = client_for(FakeKratos(cors_enabled=True, cors_allowed_origins=("*",))).client
    response = await client.get("/health/ready", headers={"origin": FOREIGN})

    assert cors_headers(response)["allow-origin"] == FOREIGN
    assert response.headers["vary"] == "Origin"
