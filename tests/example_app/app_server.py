"""The example on a real socket, in a thread."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from app_stage import Stage, embedded_stage

__all__ = ["serve"]


@contextmanager
def serve() -> Iterator[tuple[str, Stage]]:
    """Serve the example on a free port of 127.0.0.1, and give its address and its stage."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        stage = embedded_stage(url)
        config = uvicorn.Config(stage.app, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield url, stage
        finally:
            server.should_exit = True
            thread.join()
