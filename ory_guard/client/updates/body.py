"""Base models of the bodies: only documented fields are sent, and no `repr` shows a secret."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["OptionalSecret", "PayloadBody", "Secret", "SentBody", "UpdateBody"]

Secret = Annotated[str, Field(repr=False)]
"""A string that no `repr` shows."""

OptionalSecret = Annotated[str | None, Field(repr=False)]
"""A string that no `repr` shows, or None."""


class SentBody(BaseModel):
    """A request body: unknown fields and wrong types are rejected, and None is omitted.

    To send fields that this version does not have, pass a mapping as `body`; it is sent unchanged.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


class UpdateBody(SentBody):
    """The body of an update.

    Attributes:
        csrf_token: The flow's CSRF token; required for browser flows, absent from native flows.
    """

    csrf_token: OptionalSecret = None


class PayloadBody(UpdateBody):
    """The body of an update with a payload of the application.

    Attributes:
        transient_payload: A payload that Kratos forwards to its webhooks and does not store.
    """

    transient_payload: Annotated[Mapping[str, Any] | None, Field(repr=False)] = None
