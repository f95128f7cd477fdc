"""Login pages to mount: the self-service UI of Kratos as an ASGI application (extra `ui`)."""

try:
    from ory_guard.ui.application import FlowPages
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.ui needs {_error.name}: install the extra with pip install 'ory-guard[ui]'",
        name=_error.name,
    ) from None

__all__ = ["FlowPages"]
