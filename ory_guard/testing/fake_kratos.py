"""`FakeKratos`: an in-process Kratos, with methods to set up users, sessions and failures in tests."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import pyotp
from starlette.types import ASGIApp

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.clock import SECOND, Clock, MovableClock
from ory_guard.testing.config_file import read_config, read_identities
from ory_guard.testing.faults import Fault, Faults
from ory_guard.testing.oidc.provider import FakeOidcProvider
from ory_guard.testing.request_log import RequestLog
from ory_guard.testing.server.asgi import App, Sleep
from ory_guard.testing.server.cors import Cors
from ory_guard.testing.server.router import Router
from ory_guard.testing.server.routes import admin_routes, public_routes
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.signed_in import SignedIn
from ory_guard.testing.store.identities import create_identity, delete_identity, set_state
from ory_guard.testing.store.records import CourierMessage, FakeAuthenticationMethod, FakeDevice, Identity, Session
from ory_guard.testing.store.sessions import AAL_OF_METHOD, Sessions
from ory_guard.testing.store.tokenizer import Tokenizer

__all__ = ["FakeKratos"]

_logger = logging.getLogger(__name__)

DEFAULT_PASSWORD: Final = "correct-horse-battery-9"  # noqa: S105 - the password of fake identities


class FakeKratos:
    """An in-process Kratos that replies like a recorded one.

    All data is kept in memory and is lost with the object. For tests and development only, never for production.

    Args:
        settings: The configuration. If it is None, it is built from `keywords`.
        clock: The clock of the fake. By default the system clock, which `clock.advance` can move forward.
        totp_clock: The clock for codes of authenticator apps, such as `Clock()` for users with a real app, which
            does not notice `clock.advance`. Default: `clock`.
        sleep: Called to wait when a fault delays a response.
        on_message: Called with each email that Kratos would send.
        keywords: Fields of `FakeKratosSettings`.

    Attributes:
        app: The public API, an ASGI application that can also be mounted.
        admin_app: A subset of the admin API, a separate ASGI application.
        clock: The clock of the fake.
        settings: The configuration.
        requests: The log of requests to the public API.
        faults: The faults planned for the next requests.

    Raises:
        ConfigurationError: If a setting is invalid.
        TypeError: If a keyword is not a field of `FakeKratosSettings`.
    """

    def __init__(
        self,
        settings: FakeKratosSettings | None = None,
        *,
        clock: MovableClock | None = None,
        totp_clock: MovableClock | None = None,
        sleep: Sleep = asyncio.sleep,
        on_message: Callable[[CourierMessage], None] = lambda _: None,
        **keywords: Any,
    ) -> None:
        self.settings: FakeKratosSettings = settings or FakeKratosSettings(**keywords)
        self.clock: MovableClock = clock or Clock()
        self.requests: RequestLog = RequestLog()
        self.faults: Faults = Faults()
        self._server = Server(self.settings, self.clock, on_message, totp_clock)
        self._sessions = Sessions(self._server)
        self._tokenizer = Tokenizer(self._server)
        self._provider = FakeOidcProvider(self._server)
        public = Router(public_routes(self._server, self._sessions, self._tokenizer, self._provider))
        admin = Router(admin_routes(self._server, self._sessions))
        log, cors = self.requests, Cors(self.settings)
        self.app: App = App(self._server, public, log, self.faults, sleep, cors=cors, is_public=True)
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
        """Create a fake from a file that uses the keys of Kratos' configuration, with the identities listed in it.

        Args:
            path: A `.yaml`, `.yml`, `.json` or `.toml` file. Features that the fake does not support are logged.
            clock: As in the constructor.
            on_message: As in the constructor.
            keywords: Fields of `FakeKratosSettings`; they override the file.

        Raises:
            ConfigurationError: If the file cannot be read, or a value in it is invalid.
        """
        config = read_config(Path(path))
        for note in config.notes:
            _logger.warning("%s: %s", path, note)
        fake = cls(FakeKratosSettings(**config.fields | keywords), clock=clock, on_message=on_message)
        fake.seed(path)
        return fake

    def seed(self, path: str | Path) -> tuple[Identity, ...]:
        """Add the identities listed in a file; each entry of `identities` holds the arguments of `add_identity`.

        Raises:
            ConfigurationError: If the file cannot be read, or an entry is invalid.
        """
        added = []
        for entry in read_identities(Path(path)):
            try:
                added.append(self.add_identity(**entry))
            except (TypeError, KeyError, ValueError) as error:
                raise ConfigurationError(f"{path}: identity {entry!r} is invalid: {error}") from error
        return tuple(added)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys that verify the JWTs of `tokenize_as`, as a JWKS."""
        return self._tokenizer.jwks

    def rotate_keys(self) -> None:
        """Sign the JWTs of `tokenize_as` with a new key; `jwks` then contains only the new key."""
        self._tokenizer.rotate()

    @property
    def messages(self) -> tuple[CourierMessage, ...]:
        """The emails that Kratos would have sent, newest first."""
        return tuple(reversed(self._server.store.messages))

    @property
    def identities(self) -> tuple[Identity, ...]:
        """All identities, oldest first."""
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
        """Add an identity.

        Args:
            email: Shorthand for the trait `email`; a new address by default.
            traits: Traits in addition to `email`, or instead of it.
            password: The password; None for an identity without one.
            verified: Whether the addresses are verified.
            totp: Whether an authenticator app is enrolled; `totp_code` returns its codes.
            state: Whether the identity is active, that is, can log in.
            metadata_public: Public metadata, which is part of the session.
            organization_id: The organization of the identity.
            schema_id: The identity schema. The traits are not validated against it.

        Raises:
            KeyError: If the schema does not exist.
            ValueError: If `state` is invalid.
        """
        if state not in {"active", "inactive"}:
            raise ValueError(f'state must be active or inactive, not "{state}"')
        count = len(self._server.store.identities) + 1
        email = email or (traits or {}).get("email") or f"person-{count}@example.test"
        schema = self._server.schemas[schema_id or self.settings.default_schema_id]
        complete = schema.with_nested_objects({"email": email, **(traits or {})})
        identity = create_identity(self._server, complete, password=password, schema_id=schema_id)
        for address in identity.verifiable_addresses if verified else ():
            address.mark_verified(self._server.now())
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
        """Create a session without running a login flow.

        Args:
            identity: The owner of the session. For aal2, an authenticator app is added if no second factor exists.
            aal: The authenticator assurance level of the session.
            age: The number of seconds since the methods were completed.
            methods: The completed methods; by default `password`, and for aal2 also the first of `totp`, `webauthn`
                and `code` that is a second factor of the identity.

        Raises:
            ValueError: If a method is not supported.
        """
        factors = self._sessions.second_factors(identity)
        second_factor = next((name for name in ("totp", "webauthn", "code") if name in factors), "totp")
        method_names = methods or (("password", second_factor) if aal == "aal2" else ("password",))
        unknown = [name for name in method_names if name not in AAL_OF_METHOD]
        if unknown:
            raise ValueError(f"unknown method {unknown[0]!r}; supported: {', '.join(AAL_OF_METHOD)}")
        if aal == "aal2" and not factors:
            identity.credentials.totp_secret = pyotp.random_base32(32)
        completed_at = self._server.now() - int(age * SECOND)
        completed = [
            FakeAuthenticationMethod(name, self._sessions.aal_of(name), completed_at) for name in method_names
        ]
        session = self._sessions.start(identity, completed, FakeDevice("127.0.0.1:0", "test"), at=completed_at)
        set_cookie = self._server.jar.session_cookie(session.token, session.expires_at, self._server.now())
        value = set_cookie.partition(";")[0].partition("=")[2]
        return SignedIn(session.token, value, self.settings.cookie_name, session)

    def totp_code(self, identity: Identity) -> str:
        """Return the code that the identity's authenticator app shows now.

        Raises:
            ValueError: If no authenticator app is enrolled.
        """
        secret = identity.credentials.totp_secret
        if secret is None:
            raise ValueError(f"identity {identity.id} has no authenticator app; add it with totp=True")
        return pyotp.TOTP(secret).at(int(self._server.totp_clock.time()))

    def extend(self, session: Session) -> None:
        """Extend a session by its full lifespan, as the admin API does; whoami then issues a new cookie."""
        self._sessions.extend(session)

    def revoke(self, session: Session) -> None:
        """Revoke a session, as the admin API does."""
        session.active = False

    def set_state(self, identity: Identity, state: Literal["active", "inactive"]) -> None:
        """Set the state of an identity, as the admin API does. Sessions of inactive identities are invalid."""
        set_state(self._server, identity, state)

    def delete_identity(self, identity: Identity) -> None:
        """Delete an identity and its sessions, as the admin API does."""
        delete_identity(self._server, identity)

    def fail(self, fault: Fault, *, times: int = 1, path: str | None = None) -> None:
        """Apply a fault to the next `times` requests, or to the next `times` requests to `path`."""
        self.faults.add(fault, times=times, path=path)

    @property
    def web_hook_app(self) -> ASGIApp | None:
        """The ASGI application that receives all web hooks, whatever their URL; None: they use the network."""
        return self._server.web_hooks.app

    @web_hook_app.setter
    def web_hook_app(self, app: ASGIApp | None) -> None:
        """Set the application."""
        self._server.web_hooks.app = app

    async def wait_for_web_hooks(self) -> None:
        """Wait for the web hooks with `response.ignore`, which Kratos sends while it responds."""
        await self._server.web_hooks.finish()

    def assert_whoami_calls(self, expected: int) -> None:
        """Check the number of whoami calls since `requests` was cleared.

        Raises:
            AssertionError: If the number differs.
        """
        calls = self.requests.whoami_calls
        if calls != expected:
            raise AssertionError(f"whoami was called {calls} times, not {expected}: {list(self.requests)}")

    def __repr__(self) -> str:
        store = self._server.store
        return f"<FakeKratos {len(store.identities)} identities, {len(store.sessions)} sessions>"
