"""Certificates of a real Redis server that are renewed."""

from pathlib import Path

import pytest
from support.certificates import make_certificate, tls_server_options
from support.ports import free_port
from support.redis_server import REDIS_MARKS, RedisServer
from support.redis_sessions import KEY, SECRET, STORED, put

from ory_guard.redis import RedisSessionStore

pytestmark = REDIS_MARKS


async def is_stored(store: RedisSessionStore) -> bool:
    """Return whether a session can be stored and read over new connections."""
    await store.aclose()
    await put(store, KEY, STORED)
    return await store.get([KEY]) is not None


@pytest.mark.parametrize("content", [None, "-----BEGIN"], ids=["missing", "incomplete"])
async def test_new_connections_use_the_changed_files(tmp_path: Path, content: str | None) -> None:
    """While a file is missing or incomplete, the previous ones remain in use."""
    _, ca_file = make_certificate(tmp_path)
    port, pem = free_port(), str(tmp_path / "server.pem")
    with RedisServer(*tls_server_options(tmp_path, port)) as server:
        store = RedisSessionStore(f"rediss://127.0.0.1:{port}?ssl_ca_certs={ca_file}", secrets=[SECRET])
        assert await is_stored(store)

        if content is None:
            ca_file.unlink()
        else:
            ca_file.write_text(content, encoding="ascii")
        assert await is_stored(store)

        make_certificate(tmp_path)
        assert server.cli("CONFIG", "SET", "tls-cert-file", pem, "tls-key-file", pem).strip() == "OK"
        assert await is_stored(store)
        await store.aclose()
