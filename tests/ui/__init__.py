"""Tests of `ory_guard.ui`: the forms, the pages over ASGI, and in Chromium."""
