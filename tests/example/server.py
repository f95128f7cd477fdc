"""A server of the example in a thread."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from support.live_kratos import live_kratos

from .deployment import Deployment, embedded_deployment

__all__ = ["serve"]


@contextmanager
def serve(create: Callable[..., Deployment], host: str = "127.0.0.1") -> Iterator[Deployment]:
    """Serve the example on 127.0.0.1: on a free port, or with a real Kratos on the port in its configuration.

    Args:
        create: Creates the deployment.
        host: The name of the host in the application's URL, with an embedded Kratos.
    """
    port = 0 if create is embedded_deployment else live_kratos().port
    with socket.create_server(("127.0.0.1", port)) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        deployment = create(url) if create is embedded_deployment else create()
        config = uvicorn.Config(deployment.app, log_level="error", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield deployment
        finally:
            server.should_exit = True
            thread.join()
