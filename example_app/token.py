"""`python -m example_app.token EMAIL`: sign in through the native login flow and print the session token."""

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
        OryGuardError: If Kratos rejects the login or can't be reached.
    """
    async with FrontendClient(kratos_url) as client:
        flow = await client.create_native_login_flow()
        body = {"method": "password", "identifier": email, "password": password}
        login = await client.update_login_flow(flow=flow.id, body=body)
    return login.session_token or ""


def main() -> None:
    """Parse the command line, read the password and print the token."""
    parser = argparse.ArgumentParser(prog="python -m example_app.token", description=__doc__)
    parser.add_argument("email", help="the email address of the account")
    parser.add_argument(
        "--kratos", default="http://127.0.0.1:4455/.ory", help="Kratos' public URL (default: %(default)s)"
    )
    arguments = parser.parse_args()
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    try:
        print(asyncio.run(fetch_token(arguments.kratos, arguments.email, password)))  # noqa: T201 - a command
    except FlowInvalid as invalid:
        sys.exit(" ".join(message.text for message in invalid.flow.ui.messages) or "The credentials are invalid.")
    except OryGuardError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
