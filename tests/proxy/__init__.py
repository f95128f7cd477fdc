"""Tests of the proxy for Kratos' public API."""
