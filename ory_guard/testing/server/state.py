"""The parts that every operation of one fake shares."""

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.clock import SECOND, MovableClock, nanoseconds, timestamp
from ory_guard.testing.server.cookies import CookieJar
from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.return_to import allowed_url
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import CourierMessage, Identity, Store, new_id, random_string
from ory_guard.testing.store.serialization import identity_document

__all__ = ["Server"]

CODE_DIGITS: Final = "0123456789"
CODE_LENGTH: Final = 6


class Server:
    """
    Settings, clock, memory and cookie keys of one fake.

    Args:
        settings: How it is set up.
        clock: The time it sees.
        on_message: Called with each message that the fake "sends".
    """

    def __init__(
        self,
        settings: FakeKratosSettings,
        clock: MovableClock,
        on_message: Callable[[CourierMessage], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store: Store = Store()
        self.jar: CookieJar = CookieJar(settings)
        self.on_message = on_message
        self.schemas: dict[str, IdentitySchema] = {
            number: IdentitySchema(number, document) for number, document in settings.identity_schemas.items()
        }

    def now(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return nanoseconds(self.clock)

    def after(self, seconds: float) -> int:
        """Return the time `seconds` from now, in nanoseconds since 1970."""
        return self.now() + int(seconds * SECOND)

    @property
    def schema(self) -> IdentitySchema:
        """The schema of new identities."""
        return self.schemas[self.settings.default_schema_id]

    def schema_of(self, identity: Identity) -> IdentitySchema:
        """Return the schema that an identity follows."""
        return self.schemas[identity.schema_id]

    def identity_document(self, identity: Identity) -> dict[str, Any]:
        """Describe an identity with its addresses."""
        return identity_document(identity, self.url(self.schema_of(identity).path))

    def find_identity(self, identifier: str) -> Identity | None:
        """Return the identity that signs in with this identifier, however it is written in capitals."""
        wanted = identifier.strip().lower()
        for identity in self.store.identities.values():
            known = self.schema_of(identity).identifiers(identity.traits)
            if wanted in (one.lower() for one in known):
                return identity
        return None

    def url(self, path: str) -> str:
        """Return the public URL of a path."""
        return f"{self.settings.public_url}{path}"

    def page(self, path: str, **query: str | None) -> str:
        """Return a public URL with the query parameters that have a value."""
        given = {name: value for name, value in query.items() if value}
        return f"{self.url(path)}?{urlencode(given)}" if given else self.url(path)

    def return_to(self, exchange: Exchange) -> str | None:
        """
        Return the address that the caller asked to be sent back to.

        Raises:
            ApiError: It is none of the allowed ones.
        """
        wanted = exchange.query.get("return_to")
        if not wanted:
            return None
        settings = self.settings
        allowed = (*settings.allowed_return_urls, f"{settings.public_url}/self-service")
        found = allowed_url(wanted, allowed, settings.default_return_url)
        if found is None:
            raise ApiError(
                400,
                "self_service_flow_return_to_forbidden",
                f'The return_to address "{wanted}" is not among the allowed ones.',
            )
        return found

    def error_page(self, error: ApiError) -> str:
        """Keep an error and return the address of the page that shows it."""
        now = timestamp(self.now())
        number = new_id()
        self.store.remember_error({"id": number, "error": error.document(), "created_at": now, "updated_at": now})
        return f"{self.settings.error_ui_url}?id={number}"

    def send_code(self, recipient: str, template_type: str, subject: str) -> str:
        """Write an e-mail with a fresh six-digit code and return the code."""
        code = random_string(CODE_LENGTH, CODE_DIGITS)
        message = CourierMessage(
            recipient=recipient,
            template_type=template_type,
            subject=subject,
            body=f"Hello,\n\nyour code is:\n\n{code}\n",
            created_at=self.now(),
            code=code,
        )
        self.store.messages.append(message)
        self.on_message(message)
        return code
