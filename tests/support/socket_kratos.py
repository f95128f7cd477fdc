"""A Kratos on a real socket, which misbehaves as it is told: the byte is the unit here."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.scripted_kratos import session_body

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def http(status: int, body: Any = None, *headers: str, length: bool = True) -> bytes:
    """Return a whole http answer, the body as JSON unless it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json", *headers]
    if length:
        lines.append(f"Content-Length: {len(raw)}")
    return "\r\n".join([*lines, "", ""]).encode() + raw


SESSION = http(200, session_body(), "Set-Cookie: ory_kratos_session=anew; Path=/; HttpOnly")


class SocketKratos:
    """Answers each request on a connection with the next reply, the last one for ever.

    Attributes:
        url: Where it listens.
        port: The TCP port.
        heads: The head of every request, to the byte.
        connections: How many were opened.
        open: How many are open now.
    """

    def __init__(self, *replies: bytes | Reply) -> None:
        self.url = ""
        self.port = 0
        self.heads: list[bytes] = []
        self.connections = 0
        self.open = 0
        self._replies = list(replies)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        self.connections += 1
        self.open += 1
        try:
            while not writer.is_closing():
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
                if callable(reply):
                    await reply(writer)
                else:
                    writer.write(reply)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the other side went away
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def listening(
    *replies: bytes | Reply, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", path: Path | None = None
) -> AsyncIterator[SocketKratos]:
    """Run such a Kratos for a block, on a TCP port of the host or on a Unix socket."""
    kratos = SocketKratos(*replies)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await kratos.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the block; asyncio's streams would report it
        finally:
            tasks.discard(task)

    if path is not None:
        server = await asyncio.start_unix_server(serve, path, ssl=tls)
    else:
        server = await asyncio.start_server(serve, host, 0, ssl=tls)
        kratos.port = server.sockets[0].getsockname()[1]
    kratos.url = f"{'http' if tls is None else 'https'}://{host}:{kratos.port}"
    try:
        yield kratos
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def silence(_writer: asyncio.StreamWriter) -> None:
    """Take the request, and say nothing for longer than anybody waits."""
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    """Send an answer a byte at a time: no single read takes long, the whole takes for ever."""
    for byte in SESSION:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.01)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""
    writer.close()


async def break_off(writer: asyncio.StreamWriter) -> None:
    """Close the connection in the middle of the body."""
    writer.write(SESSION[:-20])
    await writer.drain()
    writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send a body without end, in chunks, and no length."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"400\r\n" + b" " * 1_024 + b"\r\n")
        await writer.drain()
