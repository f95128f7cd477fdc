"""Send the same requests to a running Kratos and to the fake with its configuration, and print the differences.

    PYTHONPATH=tests python scripts/compare.py KRATOS.yml FILE

The URLs of Kratos are in the environment, as docs/contributing.md describes. The configuration can be any that the
fake supports. FILE gets the exchanges with Kratos, one JSON object a line.
"""

import argparse
import asyncio
import itertools
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
from record import recorded_body
from support.flow_client import PASSWORD
from support.kratos_servers import KratosServer, in_process, live
from testing.normalize import diff, diff_headers, normalize

from ory_guard.testing.config_file import read_config

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
FLOWS: Final = ("login", "registration", "recovery", "verification")
UNKNOWN: Final = "11111111-1111-4111-8111-111111111111"
PATHS: Final = (
    *(
        f"/self-service/{flow}{path}"
        for flow in (*FLOWS, "settings")
        for path in ("", "/api", "/browser", "/flows")
    ),
    *("/self-service/logout", "/self-service/logout/api", "/self-service/errors"),
    *("/sessions", "/sessions/whoami", f"/sessions/{UNKNOWN}", "/sessions/nope", "/schemas", "/version", "/nope"),
    *(f"/identities{path}" for path in ("", f"/{UNKNOWN}", "/nope", "/by/external/x", "/nope/sessions")),
    *("/recovery/code", "/recovery/link", "/courier/messages", "/health/alive"),
)
# Lists depend on the users of the server.
LISTS: Final = ("/identities", "/sessions", "/courier/messages")
ADDRESSES: Final = (
    "nope",
    "nope@",
    "@x.test",
    "a@b@c",
    "a..b@x.test",
    "a b@x.test",
    "Ada <a@b.test>",
    "a@[::1]",
    "",
)
NAMES: Final = (
    *("password", "oidc", "code", "link", "totp", "lookup_secret", "webauthn", "passkey", "profile", "nope", ""),
)
BODIES: Final = (
    ("application/json", b"{"),
    ("application/json", b"[]"),
    ("application/json", b'{"method": "password"} x'),
    ("text/plain", b"method=password"),
    ("application/x-www-form-urlencoded", b"method=%zz"),
    ("multipart/form-data; boundary=x", b"--x--"),
)
PAYLOADS: Final[tuple[Any, ...]] = ("x", 1, [], {"a": 1}, None)
TRAITS: Final[tuple[Any, ...]] = ("x", 1, [1], None, {}, {"email": 5}, {"email": ""}, {"unknown": 1})
CREDENTIALS: Final[tuple[Any, ...]] = (None, [], {"unknown": {}}, {"password": {"config": {"password": PASSWORD}}})

Exchange = dict[str, Any]


class Comparison:
    """The requests of one run, which use the same addresses for each server."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4)

    async def exchanges(self, server: KratosServer) -> dict[str, Exchange]:
        """Send all requests to a server, and return the exchange of each case."""
        addresses = (f"user{number}-{self._run}@example.test" for number in itertools.count())
        async with httpx2.AsyncClient(transport=server.transport, timeout=30.0) as client:
            found = {}
            async for case, response in self._send(server, client, addresses):
                found[case] = {
                    "case": case,
                    "status": response.status_code,
                    "headers": [list(pair) for pair in response.headers.multi_items()],
                    "body": recorded_body(response),
                }
        return found

    async def _send(
        self, server: KratosServer, client: httpx2.AsyncClient, addresses: Iterator[str]
    ) -> AsyncIterator[tuple[str, httpx2.Response]]:
        for base, prefix in ((server.public, ""), (server.admin, ""), (server.admin, "/admin")):
            for path, method in itertools.product(PATHS, METHODS):
                if method in {"GET", "HEAD"} and base == server.admin and path in LISTS:
                    continue
                client.cookies.clear()
                name = "public" if base == server.public else "admin"
                yield f"{name} {method} {prefix}{path}", await client.request(method, f"{base}{prefix}{path}")
        for flow in FLOWS:
            for label, content in _submissions(flow, addresses):
                client.cookies.clear()
                created = (await client.get(f"{server.public}/self-service/{flow}/api")).json()
                url = f"{server.public}/self-service/{flow}?flow={created.get('id', UNKNOWN)}"
                yield f"{flow} {label}", await client.post(url, **content)
        for traits, credentials in itertools.product((*TRAITS, {"email": next(addresses)}), CREDENTIALS):
            body = {"schema_id": "default", "traits": traits, "credentials": credentials}
            label = json.dumps(body).replace(self._run, "RUN")
            yield f"create {label}", await client.post(f"{server.admin}/admin/identities", json=body)


def _submissions(flow: str, addresses: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a label and the content of each submission to a flow."""
    for kind, body in BODIES:
        yield f"{kind} {body.decode()}", {"content": body, "headers": {"content-type": kind}}
    for name in NAMES:
        yield f"method {name}", {"json": _fields(flow, next(addresses)) | {"method": name}}
    for payload in PAYLOADS:
        yield f"payload {payload}", {"json": _fields(flow, next(addresses)) | {"transient_payload": payload}}
    for address in ADDRESSES:
        yield f"address {address}", {"json": _fields(flow, address)}
    for traits in TRAITS if flow == "registration" else ():
        yield f"traits {traits}", {"json": _fields(flow, "") | {"traits": traits}}
    for header in ("cookie", "origin"):
        yield header, {"json": _fields(flow, next(addresses)), "headers": {header: "a=b"}}


def _fields(flow: str, address: str) -> dict[str, Any]:
    if flow == "login":
        return {"method": "password", "identifier": address, "password": PASSWORD}
    if flow == "registration":
        return {"method": "password", "password": PASSWORD, "traits": {"email": address}}
    return {"method": "code", "email": address}


def differences(expected: Exchange, actual: Exchange) -> list[str]:
    """Return the differences between two exchanges of a case."""
    if expected["status"] != actual["status"]:
        return [f"status is {actual['status']} instead of {expected['status']}"]
    headers = [(name, value) for name, value in actual["headers"]]
    return [
        *diff_headers(expected["headers"], headers),
        *diff(normalize(expected["body"]), normalize(actual["body"])),
    ]


async def compare(kratos: KratosServer, fake: KratosServer) -> tuple[dict[str, Exchange], dict[str, list[str]]]:
    """Return the exchanges with the first of two servers, and the differences of each from the second one."""
    comparison = Comparison()
    expected, actual = await comparison.exchanges(kratos), await comparison.exchanges(fake)
    return expected, {case: differences(exchange, actual[case]) for case, exchange in expected.items()}


def write(exchanges: dict[str, Exchange], file: Path) -> None:
    """Write exchanges to a file."""
    lines = [json.dumps(exchange, ensure_ascii=False) for exchange in exchanges.values()]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def report(found: dict[str, list[str]]) -> int:
    """Print the differences, and return the number of exchanges that differ."""
    different = {case: lines for case, lines in found.items() if lines}
    for case, lines in different.items():
        print("\n    ".join((case, *lines)))
    print(f"{len(found) - len(different)} of {len(found)} exchanges are alike")
    return len(different)


async def compare_live(fields: dict[str, Any]) -> tuple[dict[str, Exchange], dict[str, list[str]]]:
    """Compare the Kratos in the environment with a fake that has its configuration."""
    async with live() as kratos:
        fake = in_process(**fields | {"public_url": kratos.public, "admin_url": kratos.admin})
        return await compare(kratos, fake)


def main() -> int:
    """Compare the Kratos in the environment with the fake, and return 1 if there are differences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path, help="the configuration of Kratos")
    parser.add_argument("file", type=Path, help="the file for the exchanges with Kratos")
    arguments = parser.parse_args()
    exchanges, found = asyncio.run(compare_live(dict(read_config(arguments.config).fields)))
    write(exchanges, arguments.file)
    return 1 if report(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
