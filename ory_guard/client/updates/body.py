"""What the bodies of updates share: only what Kratos' document names is sent, no `repr` shows a secret."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["OptionalSecret", "PayloadBody", "Secret", "SentBody", "UpdateBody"]

Secret = Annotated[str, Field(repr=False)]
"""A text that no `repr` shows."""

OptionalSecret = Annotated[str | None, Field(repr=False)]
"""A text that no `repr` shows, or None."""


class SentBody(BaseModel):
    """A body that Kratos is sent: unknown fields and wrong types are refused, and None is left out.

    What Kratos takes and this version does not know can be sent all the same: `body` may be a mapping, which
    goes out as it is.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True
    )


class UpdateBody(SentBody):
    """A body of an update.

    Attributes:
        csrf_token: The flow's CSRF value; browser flows need it, native flows have none.
    """

    csrf_token: OptionalSecret = None


class PayloadBody(UpdateBody):
    """A body that can say more than Kratos itself asks for.

    Attributes:
        transient_payload: What Kratos hands to its webhooks and keeps nowhere.
    """

    transient_payload: Annotated[Mapping[str, Any] | None, Field(repr=False)] = None
