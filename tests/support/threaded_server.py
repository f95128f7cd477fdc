"""Serve an ASGI application in a thread, for clients that block."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn

from support.served_kratos import KEEP_ALIVE

ResultT = TypeVar("ResultT")


class LateApplication:
    """An ASGI application that is set after its server has started, when its URL is known."""

    app: Any

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application."""
        await self.app(scope, receive, send)


@contextmanager
def served(make: Callable[[str], tuple[Any, ResultT]]) -> Iterator[ResultT]:
    """Serve an application on a free port; `make` receives its URL and returns it with the value of the block."""
    with socket.create_server(("127.0.0.1", 0)) as server_socket:
        app, value = make(f"http://127.0.0.1:{server_socket.getsockname()[1]}")
        config = uvicorn.Config(
            app, log_level="error", lifespan="off", timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [server_socket]})
        thread.start()
        try:
            yield value
        finally:
            server.should_exit = True
            thread.join()
