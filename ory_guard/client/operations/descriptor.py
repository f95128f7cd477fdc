"""How one method of an operation serves two views: the client's, and `with_response`'s.

An operation is written once, as a plain async method that returns its model. The descriptor `operation` hands it
out as it is on a client, and on `client.with_response` as a method that takes the same arguments and returns
`Response[T]`; type checkers see both.
"""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from ory_guard.client.decoding import Reader
from ory_guard.client.errors import error_of
from ory_guard.client.models.flows import Flow
from ory_guard.client.request_builder import Body
from ory_guard.client.response import Response, response_of
from ory_guard.exceptions import KratosProtocolError
from ory_guard.whoami import Answer

__all__ = ["OperationMethod", "Operations", "ResponseView", "operation"]

P = ParamSpec("P")
T = TypeVar("T")


class Operations(ABC):
    """Something that operations can be asked of."""

    @abstractmethod
    async def _send(self, name: str, arguments: dict[str, Any], body: Body | None) -> Answer:
        """Send an operation's request and return the answer, whatever its status."""

    async def _ask(
        self,
        name: str,
        read: Reader[T],
        invalid: type[Flow] | None = None,
        /,
        *,
        body: Body | None = None,
        **arguments: Any,
    ) -> T:
        """Ask an operation of the table, and return what its answer says or raise what it means.

        Args:
            name: The operation's name in the table.
            read: How a successful answer is read.
            invalid: The flow that a 400 carries.
            body: The JSON body, where the operation has one.
            **arguments: The operation's parameters under their names.
        """
        answer = await self._send(name, arguments, body)
        if not 200 <= answer.status < 300:
            raise error_of(name, answer, invalid)
        try:
            return read(answer)
        except ValueError as error:
            fault = str(error)
        raise KratosProtocolError(f"{name}: {fault}")


class ResponseView(Operations):
    """A client's operations, each returning the whole `Response`."""

    def __init__(self, client: Operations) -> None:
        self._client = client

    async def _send(self, name: str, arguments: dict[str, Any], body: Body | None) -> Answer:
        return await self._client._send(name, arguments, body)  # noqa: SLF001 - another view of the same


class _Recorder(ResponseView):
    """Keeps the answer of one call."""

    answer: Answer

    async def _send(self, name: str, arguments: dict[str, Any], body: Body | None) -> Answer:
        self.answer = await super()._send(name, arguments, body)
        return self.answer


class OperationMethod(Generic[P, T]):
    """The descriptor of an operation's method."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]: ...

    @overload
    def __get__(self, instance: ResponseView, owner: type) -> Callable[P, Coroutine[Any, Any, Response[T]]]: ...

    @overload
    def __get__(self, instance: Operations, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...

    def __get__(self, instance: Operations | None, owner: type) -> Any:
        """Give the method of a client, or of its `with_response`."""
        if instance is None:
            return self._method
        if isinstance(instance, ResponseView):
            return self._recorded(instance)
        return MethodType(self._method, instance)

    def _recorded(self, view: ResponseView) -> Callable[P, Coroutine[Any, Any, Response[T]]]:
        @functools.wraps(MethodType(self._method, view))
        async def ask(*args: P.args, **kwargs: P.kwargs) -> Response[T]:
            recorder = _Recorder(view)
            parsed = await self._method(recorder, *args, **kwargs)
            return response_of(recorder.answer, parsed)

        return ask


operation = OperationMethod
"""Make an async method that asks one operation an operation of both views."""
