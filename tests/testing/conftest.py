"""Fixtures of the fake's tests."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from support.flow_client import FlowClient, client_for

from ory_guard.testing import FakeKratos, Identity


@pytest.fixture
def ada(fake: FakeKratos) -> Identity:
    """An identity with a password."""
    return fake.add_identity("ada@example.test")


@pytest.fixture
def browser(fake: FakeKratos) -> FlowClient:
    """A browser without a session."""
    return client_for(fake)


@pytest.fixture
def app(fake: FakeKratos) -> FlowClient:
    """A native app without a session."""
    return client_for(fake, native=True)


@pytest.fixture
async def admin(fake: FakeKratos) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the admin API."""
    transport = httpx2.ASGITransport(app=fake.admin_app)
    async with httpx2.AsyncClient(transport=transport, base_url=fake.settings.admin_url) as client:
        yield client
