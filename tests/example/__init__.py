"""Tests of `example_app`: over ASGI, in Chromium, and with a real Kratos."""
