"""The running example, and people who visit it: without JavaScript over ASGI, or with a real Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from asgi_lifespan import LifespanManager
from playwright.sync_api import Browser

from .eyes import CHROMIUM, Eyes, chromium, open_window
from .server import serve
from .stage import Stage, embedded_stage, live_stage
from .visitor import Visitor

BOTH = [pytest.param(embedded_stage, id="embedded"), pytest.param(live_stage, id="live", marks=pytest.mark.live)]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The application with its embedded Kratos, started."""
    made = embedded_stage()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def visitor(stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own."""
    async with Visitor(stage) as person:
        yield person


@pytest.fixture(params=BOTH)
async def any_stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """The application with its embedded Kratos, and with a real one."""
    made: Stage = request.param()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def anybody(any_stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own, whichever Kratos it is."""
    async with Visitor(any_stage) as person:
        yield person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    with chromium() as started:
        yield started


@pytest.fixture
def served() -> Iterator[Stage]:
    """An application of its own for each test, on a socket."""
    with serve(embedded_stage) as started:
        yield started


@pytest.fixture
def eyes(browser: Browser, served: Stage) -> Iterator[Eyes]:
    """A window with the application."""
    with open_window(browser, served.app_url) as opened:
        yield opened


@pytest.fixture(params=BOTH)
def any_served(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The application on a socket with its embedded Kratos, and with a real one on the port that it knows."""
    with serve(request.param) as started:
        yield started


@pytest.fixture
def any_eyes(browser: Browser, any_served: Stage) -> Iterator[Eyes]:
    """A window with the application, whichever Kratos it is."""
    with open_window(browser, any_served.app_url) as opened:
        yield opened
