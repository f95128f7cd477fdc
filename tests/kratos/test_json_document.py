"""Tests of small JSON documents over real sockets."""

import pytest
from support.raw_kratos import RawKratos, raw_response

from ory_guard.kratos.json_document import JSONDocument

pytestmark = pytest.mark.anyio


async def test_document_is_fetched_again_each_time() -> None:
    async with RawKratos(raw_response(b"{}")) as server:
        document = JSONDocument(f"{server.url}/keys?v=1", timeout=60)

        assert [await document.fetch(), await document.fetch()] == [b"{}", b"{}"]

        assert [request.target for request in server.requests] == [b"/keys?v=1"] * 2
        await server.all_closed()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (raw_response(b"", 404), "status 404"),
        (raw_response(b"", 302, ("Location", "http://127.0.0.1:1/")), "status 302"),
        (raw_response(b" " * 262_145), "the response is larger than 262144 bytes: it has 262145 bytes or more"),
    ],
    ids=["404", "redirect", "large"],
)
async def test_document_needs_status_200_and_a_limited_size(reply: bytes, message: str) -> None:
    async with RawKratos(reply) as server:
        with pytest.raises(ValueError, match=f"^{message}$"):
            await JSONDocument(server.url, timeout=60).fetch()


@pytest.mark.parametrize("url", ["ftp://x", "keys.json", "https://u:p@keys.example.com"])
def test_url_of_a_document_is_validated(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        JSONDocument(url, timeout=60)
