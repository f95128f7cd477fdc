"""A self-service flow, and the exception that shows it again."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ory_guard.testing.clock import timestamp
from ory_guard.testing.flows.ui_nodes import Ui
from ory_guard.testing.store.records import new_id

__all__ = ["FakeFlow", "InvalidFlowError"]


@dataclass(slots=True, eq=False)
class FakeFlow:
    """A self-service flow.

    `fields` holds the fields of this kind of flow in its JSON document, `internal` the data that is never shown.
    """

    name: str
    type: Literal["api", "browser"]
    request_url: str
    issued_at: int
    expires_at: int
    ui: Ui
    state: str
    return_to: str | None = None
    requested_return_to: str | None = None
    active: str | None = None
    csrf_secret: bytes | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    internal: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=new_id)

    @property
    def native(self) -> bool:
        """Whether the flow was created for a native app."""
        return self.type == "api"

    def document(self, **extra: Any) -> dict[str, Any]:
        """Return the JSON document of the flow; `extra` is not stored."""
        document: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "expires_at": timestamp(self.expires_at),
            "issued_at": timestamp(self.issued_at),
            "request_url": self.request_url,
        }
        if self.return_to:
            document["return_to"] = self.requested_return_to or self.return_to
        if self.active:
            document["active"] = self.active
        return document | {"ui": self.ui.document(), **self.fields, "state": self.state, **extra}


class InvalidFlowError(Exception):
    """An invalid submission. The flow is shown again, with messages in its `ui`.

    Args:
        flow: The flow to show.
    """

    def __init__(self, flow: FakeFlow) -> None:
        super().__init__(flow.id)
        self.flow = flow
