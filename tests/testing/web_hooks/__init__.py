"""Tests of `ory_guard.testing.web_hooks`."""
