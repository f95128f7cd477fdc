"""Serve a compared application with uvicorn and print its port: `python -m benchmarks.serve NAME UPSTREAM`."""

import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Final

import uvicorn

from benchmarks import applications as apps

__all__ = ["AIOHTTP", "APPLICATIONS", "EXPIRED", "HTTPX", "NEW_ORY_CLIENT", "ORY_CLIENT", "UNCACHED"]

UNCACHED: Final = "FastAPI, Depends(require_session), cache_ttl=0"
EXPIRED: Final = "FastAPI, hand-written dict cache, entry expired"
AIOHTTP: Final = "FastAPI, aiohttp in every request"
HTTPX: Final = "FastAPI, httpx in every request"
ORY_CLIENT: Final = "FastAPI, ory-client in every request"
NEW_ORY_CLIENT: Final = "FastAPI, a new ory-client in every request"


def _per_request(maker: str) -> Callable[[str], apps.Application]:
    def make(upstream: str) -> apps.Application:
        # Imported here because the import of the SDK takes seconds.
        application: apps.Application = getattr(import_module("benchmarks.per_request"), maker)(upstream)
        return application

    return make


APPLICATIONS: Final[dict[str, Callable[[str], apps.Application]]] = {
    apps.HELLO: lambda _: apps.asgi_hello(),
    apps.FORWARD_AUTH: lambda upstream: apps.forward_auth(apps.new_guard(upstream)),
    apps.BARE: lambda _: apps.starlette_bare(),
    apps.MIDDLEWARE: lambda upstream: apps.starlette_guarded(apps.new_guard(upstream)),
    apps.EXEMPT: lambda upstream: apps.starlette_guarded(apps.new_guard(upstream, exempt_paths=("/me",))),
    apps.FASTAPI: lambda _: apps.fastapi_bare(),
    apps.TRIVIAL: lambda _: apps.fastapi_trivial_dependency(),
    apps.DICT_CACHE: apps.fastapi_dict_cache,
    EXPIRED: lambda upstream: apps.fastapi_dict_cache(upstream, ttl=0.0),
    apps.SESSION: lambda upstream: apps.fastapi_guarded(apps.new_guard(upstream)),
    apps.STEPPED_UP: lambda upstream: apps.fastapi_stepped_up(apps.new_guard(upstream)),
    UNCACHED: lambda upstream: apps.fastapi_guarded(apps.new_guard(upstream, cache_ttl=0)),
    AIOHTTP: _per_request("with_aiohttp"),
    HTTPX: _per_request("with_httpx"),
    ORY_CLIENT: _per_request("with_ory_client"),
    NEW_ORY_CLIENT: _per_request("with_new_ory_client"),
}


def main(name: str, upstream: str) -> None:
    """Serve on a free port of 127.0.0.1 until the process is terminated."""
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(APPLICATIONS[name](upstream), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
