"""The fixtures of the example, whose pages are those of `ory_guard.ui`."""

from example.conftest import browser, deployment, served, visitor, window

__all__ = ["browser", "deployment", "served", "visitor", "window"]
