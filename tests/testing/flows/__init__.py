"""Tests of `ory_guard.testing.flows`."""
