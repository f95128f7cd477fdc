"""The running example, and people who visit it: without JavaScript over ASGI, or with a real Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from asgi_lifespan import LifespanManager
from playwright.sync_api import Browser

from .browser_window import CHROMIUM, BrowserWindow, chromium, open_window
from .deployment import Deployment, embedded_deployment, live_deployment
from .server import serve
from .visitor import Visitor

BOTH = [
    pytest.param(embedded_deployment, id="embedded"),
    pytest.param(live_deployment, id="live", marks=pytest.mark.live),
]


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    """The application with its embedded Kratos, started."""
    made = embedded_deployment()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def visitor(deployment: Deployment) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own."""
    async with Visitor(deployment) as person:
        yield person


@pytest.fixture(params=BOTH)
async def any_deployment(request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """The application with its embedded Kratos, and with a real one."""
    made: Deployment = request.param()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def any_visitor(any_deployment: Deployment) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own, whichever Kratos it is."""
    async with Visitor(any_deployment) as person:
        yield person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    with chromium() as started:
        yield started


@pytest.fixture
def served() -> Iterator[Deployment]:
    """An application of its own for each test, on a socket."""
    with serve(embedded_deployment) as started:
        yield started


@pytest.fixture
def window(browser: Browser, served: Deployment) -> Iterator[BrowserWindow]:
    """A window with the application."""
    with open_window(browser, served.app_url) as opened:
        yield opened


@pytest.fixture(params=BOTH)
def any_served(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The application on a socket with its embedded Kratos, and with a real one on the port that it knows."""
    with serve(request.param) as started:
        yield started


@pytest.fixture
def any_window(browser: Browser, any_served: Deployment) -> Iterator[BrowserWindow]:
    """A window with the application, whichever Kratos it is."""
    with open_window(browser, any_served.app_url) as opened:
        yield opened
