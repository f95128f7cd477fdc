"""A session that was created without running a login flow."""

from dataclasses import dataclass

from ory_guard.testing.store.records import Session

__all__ = ["SignedIn"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session and both credentials that present it.

    Args:
        token: The session token, for `X-Session-Token` or `Authorization: Bearer`.
        cookie: The value of the session cookie.
        cookie_name: The name of the session cookie.
        session: The session. Changing its times changes the response of whoami.
    """

    token: str
    cookie: str
    cookie_name: str
    session: Session

    @property
    def cookies(self) -> dict[str, str]:
        """The session cookie, in the form that HTTP clients accept."""
        return {self.cookie_name: self.cookie}

    @property
    def headers(self) -> dict[str, str]:
        """The session token as a request header."""
        return {"X-Session-Token": self.token}
