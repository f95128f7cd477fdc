"""Tests of `ory_guard.testing.store`."""
