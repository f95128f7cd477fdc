"""The web hooks of settings flows."""

from copy import copy, deepcopy
from dataclasses import fields
from typing import Any

from ory_guard.testing.flows.fake_flow import FakeFlow, InvalidFlowError
from ory_guard.testing.flows.flow_hooks import hook_context, hook_error, run_before_hooks, show_messages
from ory_guard.testing.flows.submission import Submission
from ory_guard.testing.methods.method import Change, SettingsMethod
from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.identities import apply_changes, is_identifier_taken
from ory_guard.testing.store.records import Identity, Session
from ory_guard.testing.store.sessions import REVOKE_HOOK, Sessions
from ory_guard.testing.web_hooks.responses import HookFailedError, HookRejectedError
from ory_guard.testing.web_hooks.web_hooks import HookContext

__all__ = ["SettingsHooks"]


class SettingsHooks:
    """The hooks before settings, before a change is saved, and after it.

    Args:
        server: The shared state of the fake.
        sessions: The session rules.
    """

    def __init__(self, server: Server, sessions: Sessions) -> None:
        self._server = server
        self._sessions = sessions

    def before(self, request: FakeRequest, flow: FakeFlow, session: Session) -> None:
        """Send the hooks before a flow, whose form is still empty.

        Raises:
            ApiError: If one fails.
        """

        def context() -> HookContext:
            context = self._context(request, flow, session, None)
            context.flow["ui"]["nodes"] = None
            return context

        run_before_hooks(self._server, request, flow, context)

    def change(self, method: SettingsMethod, submission: Submission) -> Change | FakeResponse:
        """Change a credential. Until hooks have accepted the change, other requests do not see it.

        Raises:
            InvalidFlowError: If the submission is invalid, or a receiver stops the flow.
            ApiError: If a hook fails.
        """
        hooks, request, flow = self._server.web_hooks, submission.request, submission.flow
        if not hooks.has_hooks_before_saving(flow.name, method.name):
            return method.change(submission)
        session = submission.current_session
        before = _Snapshot(session)
        result = method.change(submission)
        if result is not Change.SAVED:
            return result
        identity = self._server.identity_document(session.identity)
        after = _Snapshot(session)
        before.restore()
        try:
            changes = hooks.before_saving(
                flow.name, method.name, lambda: self._context(request, flow, session, identity)
            )
        except HookRejectedError as error:
            raise show_messages(flow, error) from error
        except HookFailedError as error:
            raise hook_error(error, request, flow) from error
        after.restore()
        if "traits" in changes:
            self._require_valid(changes["traits"], submission, before)
        apply_changes(self._server, session.identity, changes)
        return result

    def _require_valid(self, traits: dict[str, Any], submission: Submission, before: "_Snapshot") -> None:
        identity, flow = submission.current_session.identity, submission.flow
        is_valid = self._server.schema_of(identity).validate(traits, flow.ui)
        if is_valid and is_identifier_taken(self._server, identity, traits):
            flow.ui.add_error(4000007)
            is_valid = False
        if not is_valid:
            before.restore()
            raise InvalidFlowError(flow)

    def after(self, request: FakeRequest, flow: FakeFlow, session: Session, method: str) -> None:
        """Run the hooks after a change was saved.

        Raises:
            ApiError: If a web hook fails.
        """
        try:
            self._server.web_hooks.after_saving(
                flow.name,
                method,
                lambda: self._context(request, flow, session, self._server.identity_document(session.identity)),
                {REVOKE_HOOK: lambda: self._sessions.revoke_others(session)},
            )
        except HookFailedError as error:
            raise hook_error(error, request, flow) from error

    def _context(
        self, request: FakeRequest, flow: FakeFlow, session: Session, identity: dict[str, Any] | None
    ) -> HookContext:
        payload = flow.internal.get("transient_payload")
        extra = {"transient_payload": payload} if payload else {}
        owner = self._server.identity_document(flow.internal["identity"])
        document = flow.document(identity=owner, **extra)
        return hook_context(self._server, request, document, identity, self._sessions.document(session))


class _Snapshot:
    """The current state of a session and its identity, to restore it later. Addresses stay the same objects.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._identity_state = _state(session.identity) | {"credentials": deepcopy(session.identity.credentials)}
        self._session_state = _state(session) | {"identity": session.identity}

    def restore(self) -> None:
        """Set the session and the identity to this state."""
        for record, state in (
            (self._session.identity, self._identity_state),
            (self._session, self._session_state),
        ):
            for name, value in state.items():
                setattr(record, name, value)


def _state(record: Identity | Session) -> dict[str, Any]:
    return {field.name: copy(getattr(record, field.name)) for field in fields(record)}
