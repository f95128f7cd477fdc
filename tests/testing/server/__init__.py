"""Tests of `ory_guard.testing.server`."""
