"""Tests of `ory_guard.testing.oidc`."""
