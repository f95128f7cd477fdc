"""Transitional: environments installed before the move load the pytest plugin under this name."""

from ory_guard.testing.pytest_plugin import as_user, fake_kratos, fake_kratos_settings, ory_user

__all__ = ["as_user", "fake_kratos", "fake_kratos_settings", "ory_user"]
