"""The fake that users see: an in-process Kratos with handles for tests."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

import pyotp

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.clock import SECOND, Clock, MovableClock
from ory_guard.testing.config_file import read_identities, read_settings
from ory_guard.testing.faults import Fault, Faults
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.request_log import RequestLog
from ory_guard.testing.server.asgi import App, Sleep
from ory_guard.testing.server.cors import Cors
from ory_guard.testing.server.routes import admin_routes, public_routes
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.identities import create_identity, delete_identity, set_state
from ory_guard.testing.store.records import AuthenticationMethod, CourierMessage, Device, Identity, Session
from ory_guard.testing.store.sessions import AAL_OF_METHOD, Sessions
from ory_guard.testing.store.tokenizer import Tokenizer

__all__ = ["FakeKratos", "SignedIn"]

DEFAULT_PASSWORD: Final = "correct-horse-battery-9"  # noqa: S105 - made-up people have made-up passwords


@dataclass(frozen=True, slots=True)
class SignedIn:
    """
    A session and both ways to present it.

    Args:
        token: For `X-Session-Token` or `Authorization: Bearer`.
        cookie: The value of the session cookie.
        cookie_name: The session cookie's name.
        session: The session itself; moving its times moves what whoami answers.
    """

    token: str
    cookie: str
    cookie_name: str
    session: Session

    @property
    def cookies(self) -> dict[str, str]:
        """The cookie as HTTP clients take it."""
        return {self.cookie_name: self.cookie}

    @property
    def headers(self) -> dict[str, str]:
        """The token as a header."""
        return {"X-Session-Token": self.token}


class FakeKratos:
    """
    An in-process Kratos that answers as a recorded one does.

    Its memory is its own and ends with it; it is for tests and development, never for production.

    Args:
        settings: How it is set up; without it, the keywords are.
        clock: The time it sees; by default the real time, moved by hand with `clock.advance`.
        sleep: How faults wait.
        on_message: Called with each e-mail that Kratos would have sent.
        keywords: Fields of `FakeKratosSettings`.

    Attributes:
        app: The public API, an ASGI application; it may be mounted.
        admin_app: A small part of the admin API, another ASGI application.
        clock: The time it sees.
        settings: How it is set up.
        requests: A record of the requests to the public API.
        faults: What goes wrong with the next requests.

    Raises:
        ConfigurationError: A setting is not one of those allowed.
        TypeError: There is no setting of that name.
    """

    def __init__(
        self,
        settings: FakeKratosSettings | None = None,
        *,
        clock: MovableClock | None = None,
        sleep: Sleep = asyncio.sleep,
        on_message: Callable[[CourierMessage], None] = lambda _: None,
        **keywords: Any,
    ) -> None:
        self.settings: FakeKratosSettings = settings or FakeKratosSettings(**keywords)
        self.clock: MovableClock = clock or Clock()
        self.requests: RequestLog = RequestLog()
        self.faults: Faults = Faults()
        self._server = Server(self.settings, self.clock, on_message)
        self._sessions = Sessions(self._server)
        self._tokenizer = Tokenizer(self._server)
        self._provider = FakeOidcProvider(self._server)
        routes = public_routes(self._server, self._sessions, self._tokenizer, self._provider)
        self.app: App = App(self._server, routes, self.requests, self.faults, sleep, cors=Cors(self.settings))
        admin = admin_routes(self._server, self._sessions)
        self.admin_app: App = App(self._server, admin, RequestLog(), Faults(), sleep)

    @classmethod
    def from_config(
        cls,
        path: str | Path,
        *,
        clock: MovableClock | None = None,
        on_message: Callable[[CourierMessage], None] = lambda _: None,
        **keywords: Any,
    ) -> Self:
        """Make a fake from a file under the keys of Kratos' configuration, and add the identities it lists.

        Args:
            path: A `.json` or `.toml` file.
            clock: As for the constructor.
            on_message: As for the constructor.
            keywords: Fields of `FakeKratosSettings` that win over the file's.

        Raises:
            ConfigurationError: The file can't be read, or something in it is not allowed.
        """
        fields = read_settings(Path(path)) | keywords
        fake = cls(FakeKratosSettings(**fields), clock=clock, on_message=on_message)
        fake.seed(path)
        return fake

    def seed(self, path: str | Path) -> tuple[Identity, ...]:
        """Add the identities that a file lists under `identities`, each as `add_identity` takes it.

        Raises:
            ConfigurationError: The file can't be read, or something in it is not allowed.
        """
        added = []
        for entry in read_identities(Path(path)):
            try:
                added.append(self.add_identity(**entry))
            except (TypeError, KeyError, ValueError) as error:
                raise ConfigurationError(f"{path}: the identity {entry!r} is not understood: {error}") from error
        return tuple(added)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys of the JWTs that `tokenize_as` makes."""
        return self._tokenizer.jwks

    def rotate_keys(self) -> None:
        """Sign the JWTs of `tokenize_as` with a new key from now on; `jwks` has only that one."""
        self._tokenizer.rotate()

    @property
    def messages(self) -> tuple[CourierMessage, ...]:
        """The e-mails that Kratos would have sent, the newest first."""
        return tuple(reversed(self._server.store.messages))

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All identities, the oldest first."""
        return tuple(self._server.store.identities.values())

    def add_identity(
        self,
        email: str | None = None,
        *,
        traits: Mapping[str, Any] | None = None,
        password: str | None = DEFAULT_PASSWORD,
        verified: bool = False,
        totp: bool = False,
        state: Literal["active", "inactive"] = "active",
        metadata_public: Any = None,
        organization_id: str | None = None,
        schema_id: str | None = None,
    ) -> Identity:
        """
        Add an identity.

        Args:
            email: Short for the trait `email`; by default a new address.
            traits: Traits, beside or instead of the e-mail address.
            password: What it signs in with; None for none.
            verified: Whether its addresses are verified.
            totp: Whether it has an authenticator app (`totp_code` gives its codes).
            state: Whether it may sign in.
            metadata_public: What the session shows of it.
            organization_id: The organization it belongs to.
            schema_id: The schema its traits follow; they are not checked.

        Raises:
            KeyError: There is no such schema.
            ValueError: The state is none of Kratos'.
        """
        if state not in {"active", "inactive"}:
            raise ValueError(f'state must be active or inactive, not "{state}"')
        number = len(self._server.store.identities) + 1
        email = email or (traits or {}).get("email") or f"person-{number}@example.test"
        identity = create_identity(
            self._server, {"email": email, **(traits or {})}, password=password, schema_id=schema_id
        )
        for address in identity.verifiable_addresses if verified else ():
            address.verified, address.verified_at = True, self._server.now()
            address.status = "completed"
        if totp:
            identity.credentials.totp_secret = pyotp.random_base32(32)
        identity.state = state
        identity.metadata_public = metadata_public
        identity.organization_id = organization_id
        return identity

    def sign_in(
        self,
        identity: Identity,
        *,
        aal: Literal["aal1", "aal2"] = "aal1",
        age: float = 0.0,
        methods: tuple[str, ...] | None = None,
    ) -> SignedIn:
        """
        Begin a session without a flow.

        Args:
            identity: Whose session it is; for aal2 an authenticator app is added if there is no second factor.
            aal: How strong it is.
            age: How many seconds ago its methods were completed.
            methods: The methods it was begun with; by default `password`, and `totp` for aal2.

        Raises:
            ValueError: A method is not one of Kratos'.
        """
        names = methods or (("password", "totp") if aal == "aal2" else ("password",))
        unknown = [name for name in names if name not in AAL_OF_METHOD]
        if unknown:
            raise ValueError(f"methods must be some of {', '.join(AAL_OF_METHOD)}, not {unknown[0]!r}")
        if aal == "aal2" and not identity.credentials.second_factors:
            identity.credentials.totp_secret = pyotp.random_base32(32)
        at = self._server.now() - int(age * SECOND)
        completed = [AuthenticationMethod(name, AAL_OF_METHOD[name], at) for name in names]
        session = self._sessions.start(identity, completed, Device("127.0.0.1:0", "test"), at=at)
        line = self._server.jar.session_line(session.token, session.expires_at, self._server.now())
        value = line.partition(";")[0].partition("=")[2]
        return SignedIn(session.token, value, self.settings.cookie_name, session)

    def totp_code(self, identity: Identity) -> str:
        """
        Return the code that the identity's authenticator app shows now.

        Raises:
            ValueError: It has no authenticator app.
        """
        secret = identity.credentials.totp_secret
        if secret is None:
            raise ValueError(f"identity {identity.id} has no authenticator app; add it with totp=True")
        return pyotp.TOTP(secret).at(int(self.clock.time()))

    def extend(self, session: Session) -> None:
        """Extend a session, as an operator does; whoami then issues its cookie anew."""
        self._sessions.extend(session)

    def revoke(self, session: Session) -> None:
        """End a session, as an operator does."""
        session.active = False

    def set_state(self, identity: Identity, state: Literal["active", "inactive"]) -> None:
        """Enable or disable an identity, as an operator does; its sessions stop counting while it is disabled."""
        set_state(self._server, identity, state)

    def delete_identity(self, identity: Identity) -> None:
        """Delete an identity with its sessions, as an operator does."""
        delete_identity(self._server, identity)

    def fail(self, fault: Fault, *, times: int = 1, path: str | None = None) -> None:
        """Let the next `times` requests (to `path`, if given) go wrong like this."""
        self.faults.add(fault, times=times, path=path)

    def assert_whoami_calls(self, expected: int) -> None:
        """
        Check how often whoami was called since `requests` was cleared.

        Raises:
            AssertionError: It was called more or less often.
        """
        found = self.requests.whoami_calls
        if found != expected:
            raise AssertionError(f"whoami was called {found} times, not {expected}: {list(self.requests)}")

    def __repr__(self) -> str:
        store = self._server.store
        return f"<FakeKratos {len(store.identities)} identities, {len(store.sessions)} sessions>"
