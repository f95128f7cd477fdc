"""Serve an ASGI application in a thread, for clients that block."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

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
def served(
    make: Callable[[str], tuple[Any, ResultT]],
    host: str = "127.0.0.1",
    port: int = 0,
    lifespan: Literal["auto", "off"] = "off",
) -> Iterator[ResultT]:
    """Serve an application on 127.0.0.1.

    Args:
        make: Receives the URL of the server, and returns the application and the value of the block.
        host: The name of the host in the URL.
        port: The port, or 0 for a free one.
        lifespan: Whether the application is started and stopped.
    """
    with socket.create_server(("127.0.0.1", port)) as listener:
        app, value = make(f"http://{host}:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app, log_level="error", lifespan=lifespan, timeout_keep_alive=KEEP_ALIVE, timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield value
        finally:
            server.should_exit = True
            thread.join()
