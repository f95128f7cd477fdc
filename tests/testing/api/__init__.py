"""Tests of `ory_guard.testing.api`."""
