"""Fixtures of the tests with passkeys and security keys."""

import pytest

from ory_guard.testing import FakeKratos
from ory_guard.testing.settings import METHODS


@pytest.fixture
def fake() -> FakeKratos:
    """A Kratos with passkeys, and with security keys as a second factor."""
    return FakeKratos(methods=METHODS)
