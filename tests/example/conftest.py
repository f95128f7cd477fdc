"""Fixtures: the running example, and its visitors, without JavaScript over ASGI or with Chromium."""

from collections.abc import AsyncIterator, Iterator

import pytest
from asgi_lifespan import LifespanManager
from playwright.sync_api import Browser
from support.live_kratos import fake_and_live

from .browser_window import CHROMIUM, BrowserWindow, chromium, open_window
from .deployment import Deployment, embedded_deployment, live_deployment, serve
from .visitor import Visitor

EVERY_KRATOS = fake_and_live(embedded_deployment, live_deployment)


@pytest.fixture
async def deployment() -> AsyncIterator[Deployment]:
    """The started application with its embedded Kratos."""
    created = embedded_deployment()
    async with LifespanManager(created.app):
        yield created


@pytest.fixture
async def visitor(deployment: Deployment) -> AsyncIterator[Visitor]:
    """A browser without JavaScript, with the embedded Kratos."""
    async with Visitor(deployment) as opened:
        yield opened


@pytest.fixture(params=EVERY_KRATOS)
async def any_deployment(request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    """The started application, with its embedded Kratos and with a real one."""
    created: Deployment = request.param()
    async with LifespanManager(created.app):
        yield created


@pytest.fixture
async def any_visitor(any_deployment: Deployment) -> AsyncIterator[Visitor]:
    """A browser without JavaScript, with the embedded Kratos and with a real one."""
    async with Visitor(any_deployment) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a module."""
    if not CHROMIUM.exists():
        pytest.skip("needs the Debian package chromium")
    with chromium() as started:
        yield started


@pytest.fixture
def served() -> Iterator[Deployment]:
    """The application with its embedded Kratos on a socket, one for each test."""
    with serve(embedded_deployment) as started:
        yield started


@pytest.fixture
def window(browser: Browser, served: Deployment) -> Iterator[BrowserWindow]:
    """A window of Chromium, with the embedded Kratos."""
    with open_window(browser, served.app_url) as opened:
        yield opened


@pytest.fixture(params=EVERY_KRATOS)
def any_served(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The application on a socket, with its embedded Kratos and with a real one on the port that it expects."""
    with serve(request.param) as started:
        yield started


@pytest.fixture
def any_window(browser: Browser, any_served: Deployment) -> Iterator[BrowserWindow]:
    """A window of Chromium, with the embedded Kratos and with a real one."""
    with open_window(browser, any_served.app_url) as opened:
        yield opened
