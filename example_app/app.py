"""The application: routes, guard and middleware."""

import time
from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from example_app import api, demo, live, pages
from example_app.error_handlers import add_error_handlers
from example_app.guard_activity import ActivityLog, ActivityMiddleware, GuardTimer
from example_app.kratos_backend import EMBEDDED_PATH, Backend
from example_app.middleware import CanonicalHost, PathMount, SecurityHeaders
from example_app.rendering import TEMPLATES, Site, create_templates
from ory_guard import OryGuard
from ory_guard.fastapi import install
from ory_guard.proxy import KratosProxy
from ory_guard.ui import FlowPages

__all__ = ["create_app"]


def create_app(backend: Backend, *, provider_origins: Collection[str] = ()) -> FastAPI:
    """Return the application for one Kratos.

    Args:
        backend: The Kratos.
        provider_origins: The origins of the sign-in providers of a real Kratos, such as
            `https://accounts.google.com`.
    """
    settings = backend.settings
    fake = backend.fake
    clock = None if fake is None else fake.clock
    activity_log = ActivityLog(clock.time if clock else time.time)
    guard = OryGuard(settings, transport=backend.transport, clock=clock, listeners=[activity_log.on_event])
    proxy_path = settings.kratos_browser_url.removeprefix(settings.app_url or "")
    app = FastAPI(title="Postern", description="Example API behind ory_guard.", docs_url=None, redoc_url=None)
    site = app.state.site = Site(guard, activity_log, fake, create_templates(settings))
    for router in (pages.router, live.router, api.router, api.page):
        app.include_router(router)
    if fake is not None:
        app.include_router(demo.router)
    elif proxy_path.startswith("/"):  # browsers reach the real Kratos below the application
        app.mount(proxy_path, KratosProxy(guard))
    flow_pages = FlowPages(
        guard,
        brand="Postern",
        templates=TEMPLATES,
        context_processors=[site.layout],
        form_origins=provider_origins,
    )
    # Last, because a mount without a path handles every request that no route handles.
    app.mount("", flow_pages, name="flow_pages")
    add_error_handlers(app)
    # From inside to outside: the middleware that is added last handles a request first.
    app.add_middleware(GuardTimer, activity_log=activity_log)
    install(app, guard)
    app.add_middleware(ActivityMiddleware, activity_log=activity_log)
    app.add_middleware(SecurityHeaders, settings=settings, form_origins=provider_origins)
    files = StaticFiles(directory=Path(__file__).parent / "static")
    app.add_middleware(PathMount, path="/static", mounted=Starlette(routes=[Mount("/", files)]))
    if fake is not None:
        app.add_middleware(PathMount, path=EMBEDDED_PATH, mounted=fake.app)
    app.add_middleware(CanonicalHost, app_url=settings.app_url or "")
    return app
