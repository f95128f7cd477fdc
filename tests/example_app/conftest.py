"""The running example, and people who visit it: without JavaScript over ASGI, or with a real Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from app_eyes import CHROMIUM, Eyes, chromium, open_window
from app_server import serve
from app_stage import APP_URL, Stage, embedded_stage
from app_visitor import Visitor
from asgi_lifespan import LifespanManager
from playwright.sync_api import Browser


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """The application with its embedded Kratos, started."""
    made = embedded_stage()
    async with LifespanManager(made.app):
        yield made


@pytest.fixture
async def visitor(stage: Stage) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own."""
    async with Visitor(stage.app, APP_URL) as person:
        yield person


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module's tests."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    with chromium() as started:
        yield started


@pytest.fixture
def served() -> Iterator[tuple[str, Stage]]:
    """An application of its own for each test, on a socket, and what is behind it."""
    with serve() as started:
        yield started


@pytest.fixture
def eyes(browser: Browser, served: tuple[str, Stage]) -> Iterator[Eyes]:
    """A window with the application."""
    with open_window(browser, served[0]) as opened:
        yield opened
