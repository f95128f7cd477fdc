"""The login pages of `ory-guard fake`: `FlowPages` below the fake's own URL, for an application without pages."""

from collections.abc import Callable
from typing import Any, Final

from ory_guard.guard.guard import OryGuard
from ory_guard.guard.settings import GuardSettings
from ory_guard.kratos.urls import origin_of
from ory_guard.testing import FakeKratos

__all__ = ["EXTRA_HINT", "PAGES_PATH", "add_pages", "can_serve_pages"]

PAGES_PATH: Final = "/ui"
EXTRA_HINT: Final = "  To serve login pages here, install the extra ui: pip install 'ory-guard[ui]'"
_FOOT: Final = (
    "<p>These pages are part of <code>ory-guard fake</code>, for development only. The command prints the "
    "codes and links of emails.</p>"
)

Application = Callable[[Any, Any, Any], Any]


def can_serve_pages() -> bool:
    """Return whether the extra `ui` is installed."""
    try:
        import ory_guard.ui  # noqa: F401 - the extra is optional for this command
    except ModuleNotFoundError:
        return False
    return True


def add_pages(kratos: FakeKratos, port: int, app_url: str) -> Application:
    """Return an application that serves the login pages at `/ui`, and the fake's public API at all other paths.

    Args:
        kratos: The fake.
        port: The port on which its public API is served.
        app_url: The URL of the application that the flows return to.
    """
    from ory_guard.ui import FlowPages

    settings = GuardSettings(
        kratos_public_url=f"http://127.0.0.1:{port}",
        kratos_browser_url=kratos.settings.public_url,
        app_url=kratos.settings.public_url,
        cookie_names=(kratos.settings.cookie_name,),
        credentials=("cookie",),
        trusted_origins=(origin_of(app_url),),
        cache_ttl=0,
    )
    pages = FlowPages(
        OryGuard(settings),
        brand="ory-guard fake",
        foot=_FOOT,
        context_processors=[lambda _request: {"home": app_url}],
    )

    async def dispatch(scope: Any, receive: Any, send: Any) -> None:
        """Forward the request to the pages or to the fake."""
        if scope["path"] == PAGES_PATH or scope["path"].startswith(f"{PAGES_PATH}/"):
            await pages({**scope, "root_path": scope.get("root_path", "") + PAGES_PATH}, receive, send)
        else:
            await kratos.app(scope, receive, send)

    return dispatch
