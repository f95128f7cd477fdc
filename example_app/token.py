"""`python -m example_app.token EMAIL`: sign in as a program does, and print the session token."""

import argparse
import asyncio
import getpass
import sys

from ory_guard.client import FrontendClient
from ory_guard.exceptions import FlowInvalid, OryGuardError

__all__ = ["fetch_token"]


async def fetch_token(kratos_url: str, email: str, password: str) -> str:
    """Return the token of a new session.

    Raises:
        OryGuardError: Kratos did not let them in, or could not be asked.
    """
    async with FrontendClient(kratos_url) as client:
        flow = await client.create_native_login_flow()
        body = {"method": "password", "identifier": email, "password": password}
        login = await client.update_login_flow(flow=flow.id, body=body)
    return login.session_token or ""


def main() -> None:
    """Read the command line, ask for the password and print the token."""
    parser = argparse.ArgumentParser(prog="python -m example_app.token", description=__doc__)
    parser.add_argument("email", help="who signs in")
    parser.add_argument(
        "--kratos", default="http://127.0.0.1:4455/.ory", help="Kratos' public URL (default: %(default)s)"
    )
    arguments = parser.parse_args()
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        print(asyncio.run(fetch_token(arguments.kratos, arguments.email, password)))  # noqa: T201 - its job
    except FlowInvalid as invalid:
        sys.exit(" ".join(message.text for message in invalid.flow.ui.messages) or "The password is not accepted.")
    except OryGuardError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
