"""Tests of `example_app`: over ASGI, in a real Chromium, and with a real Kratos."""
