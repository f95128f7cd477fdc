"""One operation of Kratos' `FrontendApi` as data: method, path, and the place of each parameter.

Names are derived from the OpenAPI document (v26.2.0): an operation's name is its operationId in snake_case, a
parameter's name is in lower case with `_` for `-`. A test compares every operation with the pinned document.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from ory_guard.client.models.flows import Flow

__all__ = ["Method", "Operation", "Step"]

Method = Literal["GET", "POST", "DELETE"]
Step = Literal["create", "read", "update"]

_HEADER_PARAMETERS: Final = frozenset({"authorization", "cookie", "x_session_token"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the OpenAPI document.

    Attributes:
        name: The name of the client's method.
        method: The HTTP method.
        path: The path below Kratos' public URL; `{id}` is replaced by the parameter of that name.
        query: The parameters that are sent in the query.
        headers: The parameters that are sent as headers.
        sends_body: Whether the operation has a JSON body.
        step: The operation's role in a self-service flow; None for an operation without a flow.
        flow_model: The flow that a 400 response carries.
        deprecated: The parameters that Kratos marks as deprecated.
        undocumented: The headers that Kratos reads although the document does not list them.
    """

    name: str
    method: Method
    path: str
    query: tuple[str, ...]
    headers: tuple[str, ...]
    sends_body: bool
    step: Step | None = None
    flow_model: type[Flow] | None = None
    deprecated: tuple[str, ...] = ()
    undocumented: tuple[str, ...] = ()

    @classmethod
    def from_signature(cls, function: Callable[..., Any], method: Method, path: str, **options: Any) -> Self:
        """Return the operation whose parameters are those of a method.

        Args:
            function: The method; its first parameter is `self`.
            method: The HTTP method.
            path: The path below Kratos' public URL.
            **options: `step`, `flow_model`, `deprecated` and `undocumented` as in the attributes.
        """
        _, *names = inspect.signature(function).parameters
        headers = tuple(name for name in names if name in _HEADER_PARAMETERS)
        elsewhere = {*headers, "body", *(name for name in names if f"{{{name}}}" in path)}
        query = tuple(name for name in names if name not in elsewhere)
        return cls(function.__name__, method, path, query, headers, sends_body="body" in names, **options)

    @property
    def documented_parameters(self) -> frozenset[tuple[str, str]]:
        """The documented parameters as pairs of place (`path`, `query`, `header`) and name."""
        in_path = {("path", "id")} if "{id}" in self.path else set[tuple[str, str]]()
        in_header = {("header", name) for name in self.headers if name not in self.undocumented}
        return frozenset(in_path | in_header | {("query", name) for name in self.query})
