"""The example on a real socket, in a thread."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn

from .deployment import APP_URL, Deployment, embedded_deployment

__all__ = ["serve"]


@contextmanager
def serve(make: Callable[..., Deployment]) -> Iterator[Deployment]:
    """Serve the example on 127.0.0.1: on a free port, or with a real Kratos on the one that Kratos knows."""
    port = 0 if make is embedded_deployment else urlsplit(APP_URL).port
    with socket.create_server(("127.0.0.1", port or 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        deployment = make(url) if make is embedded_deployment else make()
        config = uvicorn.Config(deployment.app, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield deployment
        finally:
            server.should_exit = True
            thread.join()
