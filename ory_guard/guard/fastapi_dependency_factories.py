"""Recognize a function that returns a dependency, such as `require_role` of an application.

In `Depends(require_role)`, FastAPI calls the function, reads its arguments from the request, and ignores the
dependency that it returns. The code of a function is read and not run.
"""

import dis
import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

__all__ = ["returns_dependency", "takes_connection", "uses_in_body", "uses_in_signature"]

_Predicate: TypeAlias = Callable[[Any], bool]

_CONNECTIONS: Final = frozenset({"Request", "WebSocket", "HTTPConnection"})
_AWAITS: Final = ("GET_AWAITABLE", "GET_AITER")
_KNOWN: Final[tuple[WeakKeyDictionary[FunctionType, bool], ...]] = (WeakKeyDictionary(), WeakKeyDictionary())
"""The results by depth: routes share their dependencies, and reading the code of one takes tens of microseconds."""


def returns_dependency(call: Any, is_factory: _Predicate, is_check: _Predicate, *, depth: int = 1) -> bool:
    """Return whether a function returns a dependency, instead of checking the session itself.

    Such a function awaits nothing and takes no connection. It calls a factory of dependencies, or it returns a
    function that checks the session.

    Args:
        call: The function, which may be cached by `functools.cache`.
        is_factory: Returns whether a value is a factory of dependencies.
        is_check: Returns whether a value checks the session, or is an annotation that does.
        depth: How many functions of the application may be between this one and a factory.
    """
    call = _uncached(call)
    if type(call) is not FunctionType or takes_connection(call):
        return False
    known = _KNOWN[depth]
    if call not in known:
        known[call] = _calls_factory(call, is_factory, is_check, depth) or _returns_check(call, is_check)
    return known[call]


def _calls_factory(call: FunctionType, is_factory: _Predicate, is_check: _Predicate, depth: int) -> bool:
    if any(instruction.opname in _AWAITS for instruction in dis.get_instructions(call.__code__)):
        return False
    values = list(_loaded(call, call.__code__))
    if any(map(is_factory, values)):
        return True
    return depth > 0 and any(returns_dependency(value, is_factory, is_check, depth=depth - 1) for value in values)


def _returns_check(call: FunctionType, is_check: _Predicate) -> bool:
    for returned in _returned_functions(call.__code__):
        # Annotations are loaded by the outer code, as names or as texts, or by the code of the function itself.
        texts = [call.__globals__.get(text) for text in _texts(call.__code__.co_consts)]
        values = (*texts, *_loaded(call, call.__code__), *_loaded(call, returned))
        if any(map(is_check, values)):
            return True
    return False


def takes_connection(call: FunctionType) -> bool:
    """Return whether a parameter of a function is the request or the websocket."""
    names = [getattr(annotation, "__name__", annotation) for annotation in call.__annotations__.values()]
    return not _CONNECTIONS.isdisjoint(name for name in names if isinstance(name, str))


def uses_in_body(call: FunctionType, is_used: _Predicate) -> bool:
    """Return whether a function loads such a value in its body."""
    return any(map(is_used, _loaded(call, call.__code__)))


def uses_in_signature(call: FunctionType, is_used: _Predicate) -> bool:
    """Return whether a parameter of a function has such a value as its annotation or default."""
    annotations = [
        call.__globals__.get(value) if isinstance(value, str) else value for value in call.__annotations__.values()
    ]
    return any(map(is_used, [*annotations, *(call.__defaults__ or ()), *(call.__kwdefaults__ or {}).values()]))


def _uncached(call: Any) -> Any:
    while isinstance(call, functools._lru_cache_wrapper):  # noqa: SLF001 - the type has no public name
        call = call.__wrapped__
    return call


def _loaded(call: FunctionType, code: CodeType) -> Iterator[Any]:
    """Yield the values of the global and free names that a code loads, and of attributes of modules."""
    cells = dict(zip(call.__code__.co_freevars, call.__closure__ or (), strict=True))
    module: ModuleType | None = None
    for instruction in dis.get_instructions(code):
        name, value = instruction.argval, None
        if module is not None and instruction.opname.startswith(("LOAD_ATTR", "LOAD_METHOD")):
            value = vars(module).get(name)
        elif instruction.opname == "LOAD_GLOBAL":
            value = call.__globals__.get(name)
        elif instruction.opname == "LOAD_DEREF" and name in cells:
            value = _content(cells[name])
        module = value if type(value) is ModuleType else None
        if value is not None:
            yield value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # an empty cell
        return None


def _returned_functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of each function that is defined in a function and returned by its name."""
    returned: set[Any] = {"__annotate__"}  # since Python 3.14 the code of annotations
    previous: Any = None
    for instruction in dis.get_instructions(code):
        if instruction.opname == "RETURN_VALUE":
            returned.add(previous)
        previous = instruction.argval
    yield from (const for const in code.co_consts if isinstance(const, CodeType) and const.co_name in returned)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _texts(item)
