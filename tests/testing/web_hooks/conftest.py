"""Fixtures of the tests with web hooks."""

import pytest

from ory_guard.testing import FakeKratos

from .scenario import HOOKS, Receiver, fake_with


@pytest.fixture
def receiver() -> Receiver:
    """A receiver that accepts all hooks."""
    return Receiver()


@pytest.fixture
def fake(receiver: Receiver) -> FakeKratos:
    """A fake with a hook before each flow, and two after it."""
    return fake_with(receiver, HOOKS)
