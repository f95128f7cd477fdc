"""Example application for ory_guard with a self-service UI for Kratos: `python -m example_app`."""
