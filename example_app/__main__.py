"""`python -m example_app`: serve the example on 127.0.0.1."""

import argparse
import sys

import uvicorn

from example_app.app import create_app
from example_app.kratos_backend import from_environment
from ory_guard.exceptions import ConfigurationError


def main() -> None:
    """Read the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m example_app",
        description="A small product behind ory_guard, with a Kratos of its own in the same process; with "
        "ORY_GUARD_KRATOS_PUBLIC_URL set, the same product and self-service UI for that Kratos.",
    )
    parser.add_argument("--port", type=int, default=4455, help="the port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--provider-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="a sign-in provider of a real Kratos, such as https://accounts.google.com; may be repeated",
    )
    arguments = parser.parse_args()
    try:
        backend = from_environment(f"http://127.0.0.1:{arguments.port}")
    except ConfigurationError as error:
        sys.exit(f"The settings are wrong: {error}")
    kratos = "a Kratos of its own" if backend.fake else backend.settings.kratos_public_url
    print(f"Postern is at {backend.settings.app_url} and talks to {kratos}. Stop it with Ctrl+C.")  # noqa: T201 - a command
    app = create_app(backend, provider_origins=arguments.provider_origin)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
