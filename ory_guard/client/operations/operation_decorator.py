"""The decorator `operation`, which turns a signature into a method of the client and of `with_response`.

An operation is declared once, as an async method without a body: its parameters are sent to Kratos, and the
response is decoded into its return type. On a client the method returns that type; on `client.with_response` it
takes the same arguments and returns `Response[T]`. Type checkers see both.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ory_guard.client.decoding import Decoder, decoder_for
from ory_guard.client.errors import error_for
from ory_guard.client.models.flows import Flow
from ory_guard.client.operations.operation import Method, Operation, Step
from ory_guard.client.request_builder import Body
from ory_guard.client.response import Response, make_response
from ory_guard.exceptions import KratosProtocolError
from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["OperationMethod", "Operations", "ResponseView", "operation"]

P = ParamSpec("P")
T = TypeVar("T")

_Declaration = Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]
_Check = Callable[[Any, Mapping[str, Any]], None]


class Operations(ABC):
    """An object with methods for operations."""

    @abstractmethod
    async def _send(self, operation: Operation, arguments: Mapping[str, Any], body: Body | None) -> HTTPResponse:
        """Send an operation's request and return the response, whatever its status."""


class ResponseView(Operations):
    """The operations of a client, each returning the whole `Response`."""

    def __init__(self, client: Operations) -> None:
        self._client = client

    async def _send(self, operation: Operation, arguments: Mapping[str, Any], body: Body | None) -> HTTPResponse:
        return await self._client._send(operation, arguments, body)  # noqa: SLF001 - a view of the same object


class OperationMethod(Generic[P, T]):
    """The descriptor of an operation's method.

    Attributes:
        operation: The operation that the method calls.
    """

    def __init__(
        self, declaration: _Declaration[P, T], operation: Operation, decode: Decoder[T], check: _Check | None
    ) -> None:
        self.operation = operation
        self.__doc__ = declaration.__doc__
        self._signature = inspect.signature(declaration)
        self._decode = decode
        self._check = check

        @functools.wraps(declaration)
        async def call(instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
            return (await self._call(instance, *args, **kwargs)).parsed

        @functools.wraps(declaration)
        async def call_with_response(instance: Any, /, *args: P.args, **kwargs: P.kwargs) -> Response[T]:
            return await self._call(instance, *args, **kwargs)

        self._method: _Declaration[P, T] = call
        self._method_with_response: _Declaration[P, Response[T]] = call_with_response

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...

    @overload
    def __get__(self, instance: ResponseView, owner: type) -> Callable[P, Coroutine[Any, Any, Response[T]]]: ...

    @overload
    def __get__(self, instance: Operations, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, instance: Operations | None, owner: type) -> Any:
        """Return the method of a client, or the method of its `with_response`."""
        if instance is None:
            return self._method
        if isinstance(instance, ResponseView):
            return MethodType(self._method_with_response, instance)
        return MethodType(self._method, instance)

    async def _call(self, instance: Operations, *args: P.args, **kwargs: P.kwargs) -> Response[T]:
        name = self.operation.name
        try:
            arguments = self._signature.bind(instance, *args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        body = arguments.pop("body", None)
        response = await instance._send(self.operation, arguments, body)  # noqa: SLF001 - its descriptor
        if not 200 <= response.status < 300:
            raise error_for(self.operation, response)
        try:
            parsed = self._decode(response)
            if self._check is not None:
                self._check(parsed, arguments)
        except ValueError as error:
            message = str(error)
        else:
            return make_response(response, parsed)
        raise KratosProtocolError(f"{name}: {message}")


def operation(
    method: Method,
    path: str,
    *,
    step: Step | None = None,
    flow_model: type[Flow] | None = None,
    deprecated: tuple[str, ...] = (),
    undocumented: tuple[str, ...] = (),
    check: _Check | None = None,
) -> Callable[[_Declaration[P, T]], OperationMethod[P, T]]:
    """Make an async method without a body an operation of the client and of `with_response`.

    Args:
        method: The HTTP method.
        path: The path below Kratos' public URL; `{id}` is replaced by the parameter of that name.
        step: The operation's role in a self-service flow; None for an operation without a flow.
        flow_model: The flow that a 400 response carries.
        deprecated: The parameters that Kratos marks as deprecated.
        undocumented: The headers that Kratos reads although the OpenAPI document does not list them.
        check: Called with the decoded response and the arguments; raises a `ValueError` if they do not match.
    """

    def decorate(declaration: _Declaration[P, T]) -> OperationMethod[P, T]:
        declared = Operation.from_signature(
            declaration,
            method,
            path,
            step=step,
            flow_model=flow_model,
            deprecated=deprecated,
            undocumented=undocumented,
        )
        decode = decoder_for(inspect.signature(declaration).return_annotation)
        return OperationMethod(declaration, declared, decode, check)

    return decorate
