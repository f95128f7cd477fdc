"""`python -m example_app`: serve the example on 127.0.0.1."""

import argparse
import sys

import uvicorn

from example_app.app import create_app
from example_app.kratos_backend import from_environment
from ory_guard.exceptions import ConfigurationError


def main() -> None:
    """Parse the command line and serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m example_app",
        description="Example application for ory_guard. It runs with an embedded Kratos, or with a real Kratos if "
        "ORY_GUARD_KRATOS_PUBLIC_URL is set.",
    )
    parser.add_argument("--port", type=int, default=4455, help="the port on 127.0.0.1 (default: %(default)s)")
    parser.add_argument(
        "--provider-origin",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="the origin of a sign-in provider of a real Kratos, such as https://accounts.google.com; repeatable",
    )
    arguments = parser.parse_args()
    try:
        port = arguments.port
        backend = from_environment(f"http://127.0.0.1:{port}", f"http://localhost:{port}")
    except ConfigurationError as error:
        sys.exit(f"Invalid settings: {error}")
    kratos = "an embedded Kratos" if backend.fake else f"Kratos at {backend.settings.kratos_public_url}"
    print(f"Serving {backend.settings.app_url} with {kratos}. Stop it with Ctrl+C.")  # noqa: T201 - a command
    app = create_app(backend, provider_origins=arguments.provider_origin)
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
