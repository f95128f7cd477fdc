"""A small product behind ory_guard, and a self-service UI for Kratos: `python -m example_app`."""
