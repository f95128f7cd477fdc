"""The state that all operations of one fake share."""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from ory_guard.testing.clock import SECOND, MovableClock, nanoseconds, timestamp
from ory_guard.testing.server.cookies import CookieJar
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.return_to import InvalidUrlError, allowed_url
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import CourierMessage, Identity, Store, new_id, random_string
from ory_guard.testing.store.serialization import identity_document
from ory_guard.testing.web_hooks.web_hooks import WebHooks

__all__ = ["Server"]

CODE_DIGITS: Final = "0123456789"
CODE_LENGTH: Final = 6


class Server:
    """The settings, clock, records and cookie keys of one fake.

    Args:
        settings: The configuration.
        clock: The clock.
        on_message: Called with each email instead of sending it.
        totp_clock: The clock for codes of authenticator apps. Default: `clock`.

    Attributes:
        is_database_locked: Whether the current request cannot use the database.
    """

    def __init__(
        self,
        settings: FakeKratosSettings,
        clock: MovableClock,
        on_message: Callable[[CourierMessage], None] = lambda _: None,
        totp_clock: MovableClock | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.totp_clock: MovableClock = totp_clock or clock
        self.store: Store = Store()
        self.jar: CookieJar = CookieJar(settings)
        self.on_message = on_message
        self.is_database_locked = False
        self.web_hooks: WebHooks = WebHooks(settings)
        self.schemas: dict[str, IdentitySchema] = {
            schema_id: IdentitySchema(schema_id, document)
            for schema_id, document in settings.identity_schemas.items()
        }

    def now(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return nanoseconds(self.clock)

    def after(self, seconds: float) -> int:
        """Return the time `seconds` from now, in nanoseconds since 1970."""
        return self.now() + int(seconds * SECOND)

    @property
    def schema(self) -> IdentitySchema:
        """The default identity schema."""
        return self.schemas[self.settings.default_schema_id]

    def schema_of(self, identity: Identity) -> IdentitySchema:
        """Return the schema of an identity."""
        return self.schemas[identity.schema_id]

    def identity_document(self, identity: Identity) -> dict[str, Any]:
        """Return the JSON document of an identity, including its addresses."""
        return identity_document(identity, self.url(self.schema_of(identity).path))

    def find_identity(self, identifier: str) -> Identity | None:
        """Return the identity with this login identifier, ignoring case, or None."""
        identifier = identifier.strip().lower()
        for identity in self.store.identities.values():
            identifiers = self.schema_of(identity).identifiers(identity.traits)
            if identifier in (value.lower() for value in identifiers):
                return identity
        return None

    def find_owner(self, traits: Mapping[str, Any]) -> tuple[str, Identity] | None:
        """Return the first login identifier in these traits that an identity has, and the identity, or None."""
        owners = ((value, self.find_identity(value)) for value in self.schema.identifiers(traits))
        return next(((value, owner) for value, owner in owners if owner is not None), None)

    def url(self, path: str, **query: str | None) -> str:
        """Return the public URL of a path; empty query parameters are left out."""
        parameters = urlencode({name: value for name, value in query.items() if value})
        return f"{self.settings.public_url}{path}{'?' if parameters else ''}{parameters}"

    def return_to(self, request: FakeRequest) -> str | None:
        """Return the validated `return_to` URL of a request, or None if it has none.

        Raises:
            ApiError: If the URL is not allowed.
        """
        requested = request.query.get("return_to")
        if not requested:
            return None
        settings = self.settings
        allowed = (*settings.allowed_return_urls, f"{settings.public_url}/self-service")
        try:
            url = allowed_url(requested, allowed, settings.default_return_url)
        except InvalidUrlError as error:
            raise ApiError(400, reason=f'The return_to URL "{requested}" is not a URL: {error}.') from error
        if url is None:
            raise ApiError(
                400,
                "self_service_flow_return_to_forbidden",
                f'The return_to URL "{requested}" is not allowed. Add it to selfservice.allowed_return_urls.',
            )
        return url

    def error_page_url(self, error: ApiError) -> str:
        """Store an error and return the URL of the page that shows it."""
        now = timestamp(self.now())
        error_id = new_id()
        self.store.add_error_record(
            {"id": error_id, "error": error.document(), "created_at": now, "updated_at": now}
        )
        return f"{self.settings.error_ui_url}?id={error_id}"

    def send_code(
        self,
        recipients: list[str],
        template_type: str,
        subject: str,
        link_for: Callable[[str], str] | None = None,
    ) -> str:
        """Create an email with a new six-digit code for each recipient, and return the code.

        Args:
            recipients: The addresses.
            template_type: Kratos' name of the email.
            subject: The subject of the email.
            link_for: Returns the link with a code that the email contains; None for no link.
        """
        code = random_string(CODE_LENGTH, CODE_DIGITS)
        text = f"your code is:\n\n{code}"
        if link_for is not None:
            text += f"\n\nor open this link:\n\n{link_for(code)}"
        for recipient in recipients:
            self._send(recipient, template_type, subject, text, code)
        return code

    def send_link(self, recipient: str, template_type: str, subject: str, link: str) -> None:
        """Create an email with a link."""
        self._send(recipient, template_type, subject, f"your link is:\n\n{link}", link)

    def _send(self, recipient: str, template_type: str, subject: str, text: str, code: str) -> None:
        message = CourierMessage(
            recipient=recipient,
            template_type=template_type,
            subject=subject,
            body=f"Hello,\n\n{text}\n",
            created_at=self.now(),
            code=code,
        )
        self.store.messages.append(message)
        self.on_message(message)
