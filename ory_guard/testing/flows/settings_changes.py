"""The changes made by settings flows, one function per method."""

import string
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

from ory_guard.testing.flows.flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.settings_form import lookup_codes_node, show_traits
from ory_guard.testing.flows.ui_nodes import submit_node
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import add_password_error, is_identifier_taken, set_traits, touch
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Session, random_string
from ory_guard.testing.store.second_factor import totp_matches
from ory_guard.testing.store.sessions import Sessions

__all__ = ["Change", "SettingsChanges"]

LOOKUP_CODES: Final = 12
LOOKUP_CODE_LENGTH: Final = 8


class Change(Enum):
    """The result of a submission: saved, displayed only, or rejected until the user re-authenticates."""

    SAVED = auto()
    DISPLAYED = auto()
    REAUTHENTICATION_REQUIRED = auto()


class SettingsChanges:
    """The changes that the owner of a session can make."""

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def handler(self, method: str) -> Callable[[FakeFlow, Session, dict[str, Any]], Change] | None:
        """Return the function that handles a method, or None."""
        return {
            "profile": self._profile,
            "password": self._password,
            "totp": self._totp,
            "lookup_secret": self._lookup_secret,
            "oidc": self._unlink,
            "webauthn": self._webauthn,
        }.get(method)

    def _profile(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:
        identity = session.identity
        schema = self._server.schema_of(identity)
        traits = fields["traits"]
        show_traits(flow.ui, traits)
        if not schema.validate(traits, flow.ui):
            raise InvalidFlowError(flow)
        if is_identifier_taken(self._server, identity, traits):
            flow.ui.add_error(4000007)
            raise InvalidFlowError(flow)
        if _changes_protected_traits(schema, identity.traits, traits) and not self._sessions.is_privileged(session):
            return Change.REAUTHENTICATION_REQUIRED
        set_traits(self._server, identity, traits)
        if self._server.settings.is_release:
            identity.state_changed_at = None
        return Change.SAVED

    def _password(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:
        identity = session.identity
        identifiers = self._server.schema_of(identity).identifiers(identity.traits)
        password = fields.get("password")
        if add_password_error(self._server.settings, password, identifiers, flow.ui):
            raise InvalidFlowError(flow)
        if password == identity.credentials.password:
            flow.ui.add_error(4000039, at="password")
            raise InvalidFlowError(flow)
        identity.credentials.password = str(password)
        touch(self._server, identity)
        return Change.SAVED

    def _totp(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:
        credentials = session.identity.credentials
        if credentials.totp_secret:
            credentials.totp_secret = None if fields.get("totp_unlink") else credentials.totp_secret
        else:
            secret, code = flow.internal["totp_secret"], fields.get("totp_code")
            if not code:
                flow.ui.add_error(4000002, {"property": "totp_code"}, at="totp_code")
                raise InvalidFlowError(flow)
            if not totp_matches(secret, code, self._server.clock.time()):
                flow.ui.add_error(4000008, at="totp_code")
                raise InvalidFlowError(flow)
            credentials.totp_secret = secret
            self._sessions.add_method(session, "totp")
        touch(self._server, session.identity)
        return Change.SAVED

    def _lookup_secret(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:
        credentials, ui = session.identity.credentials, flow.ui
        if fields.get("lookup_secret_regenerate"):
            alphabet = string.ascii_lowercase + string.digits
            codes = {random_string(LOOKUP_CODE_LENGTH, alphabet): False for _ in range(LOOKUP_CODES)}
            flow.internal["lookup_codes"] = codes
            self._show_codes(flow, codes)
            ui.nodes.append(submit_node("lookup_secret", "true", 1050011, "lookup_secret_confirm"))
            return Change.DISPLAYED
        if fields.get("lookup_secret_reveal"):
            if not credentials.lookup_codes:
                flow.ui.add_error(4000001, {"reason": "There are no backup codes to show."})
                raise InvalidFlowError(flow)
            self._show_codes(flow, credentials.lookup_codes)
            ui.nodes.append(submit_node("lookup_secret", "true", 1050016, "lookup_secret_disable"))
            ui.nodes.append(submit_node("lookup_secret", "true", 1050008, "lookup_secret_regenerate"))
            return Change.DISPLAYED
        if fields.get("lookup_secret_confirm"):
            codes = flow.internal.pop("lookup_codes", {})
            if not codes:
                flow.ui.add_error(4000001, {"reason": "Generate backup codes before confirming them."})
                raise InvalidFlowError(flow)
            credentials.lookup_codes = codes
            self._sessions.add_method(session, "lookup_secret")
        elif fields.get("lookup_secret_disable"):
            credentials.lookup_codes = {}
        else:
            ui.add_error(4010004)
            raise InvalidFlowError(flow)
        touch(self._server, session.identity)
        return Change.SAVED

    def _show_codes(self, flow: FakeFlow, codes: dict[str, bool]) -> None:
        flow.ui.remove(group="lookup_secret")
        flow.ui.nodes.append(lookup_codes_node(codes))

    def _unlink(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:
        credentials = session.identity.credentials
        linked = credentials.oidc_subjects
        name = str(fields.get("unlink"))
        is_last = credentials.password is None and len(linked) == 1
        if name not in linked or is_last:
            flow.ui.add_error(4000001, {"reason": "This provider can't be disconnected."})
            raise InvalidFlowError(flow)
        del linked[name]
        touch(self._server, session.identity)
        return Change.SAVED

    def _webauthn(self, flow: FakeFlow, session: Session, fields: dict[str, Any]) -> Change:  # noqa: ARG002 - all handlers take these
        flow.ui.add_error(4000001, {"reason": "The fake Kratos does not support security keys."})
        raise InvalidFlowError(flow)


def _changes_protected_traits(schema: IdentitySchema, before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether the change affects login identifiers or addresses."""
    return any(
        schema.identifiers(before) != schema.identifiers(after)
        or schema.addresses(before, purpose) != schema.addresses(after, purpose)
        for purpose in ("recovery", "verification")
    )
