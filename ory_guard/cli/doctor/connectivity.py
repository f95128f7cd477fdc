"""The check `reach`: does Kratos' public API respond, and if it does not, why?"""

import asyncio
import socket
import ssl
from typing import Final
from urllib.parse import urlsplit

from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.findings import Finding, ok, problem
from ory_guard.cli.doctor.probe import error_object, json_object, text_header
from ory_guard.exceptions import KratosUnavailable
from ory_guard.kratos.call_failures import describe_failure
from ory_guard.kratos.http import tls_context
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.urls import unix_socket_of

__all__ = ["check_reach"]

_SETTING: Final = "set ORY_GUARD_KRATOS_PUBLIC_URL (--kratos-url) to the URL of Kratos' public API"


async def check_reach(context: DoctorContext) -> list[Finding]:
    """Call whoami without a credential; Kratos' error response differs from those of other servers."""
    try:
        response = await context.kratos.get("/sessions/whoami")
    except KratosUnavailable as error:
        return [await _diagnose_connection(context, error)]
    if response.status != 401 or error_object(response).get("code") != 401:
        return [await _diagnose_response(context, response)]
    started = context.clock.monotonic()  # of the second request, which reuses the connection
    await context.kratos.get("/sessions/whoami")
    seconds = context.clock.monotonic() - started
    return [ok(f"Kratos responds at {context.kratos.url} in {seconds * 1_000:.0f} ms")]


async def _diagnose_response(context: DoctorContext, response: HTTPResponse) -> Finding:
    url = context.kratos.url
    if response.status == 200 and "identity" in json_object(response):
        return problem(
            f"{url} responds with a session without a credential: a proxy adds one",
            "remove the proxy rule that adds cookies or tokens to requests to Kratos",
        )
    if response.status == 200:
        content = "another document" if response.is_json() else "a page"
        return problem(
            f"{url}/sessions/whoami responds with {content} and the status 200, so the server is not Kratos, or a "
            "proxy in front of it responds",
            f"{_SETTING}, including the path prefix of a proxy",
        )
    if response.status == 429:
        seconds = text_header(response, "retry-after")
        return problem(
            f"{url} responds with 429: rate limit exceeded{f', retry after {seconds} seconds' if seconds else ''}",
            "wait, then increase ORY_GUARD_CACHE_TTL or the rate limit",
        )
    if response.status >= 500:
        return problem(
            f"{url} responds with {response.status}: Kratos, or a proxy in front of it, is failing",
            f"check Kratos' log, its database and {url}/health/ready",
        )
    # Since v26.2.0 the admin API redirects paths of the public API.
    if response.status in {307, 404} and (await context.kratos.get("/admin/health/alive")).status == 200:
        return problem(f"{url} is Kratos' admin API", f"{_SETTING} (default port 4433)")
    return problem(
        f"{url}/sessions/whoami responds with {response.status}: not Kratos, or the path prefix is missing",
        f"{_SETTING}, including the path prefix of a proxy",
    )


async def _diagnose_connection(context: DoctorContext, error: KratosUnavailable) -> Finding:
    unix_socket = unix_socket_of(context.kratos.url)
    if unix_socket is not None:
        return await _diagnose_unix_socket(unix_socket, error)
    parts = urlsplit(context.kratos.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(context.settings.timeout):
            tls = tls_context(context.settings.ca_file) if secure else None
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
        writer.close()
    except socket.gaierror:
        return problem(f"the host name {host} can't be resolved", f"{_SETTING}, with a host name that resolves")
    except ssl.SSLCertVerificationError as tls_error:
        return problem(
            f"{host}:{port}: {describe_failure(tls_error)}",
            "set ORY_GUARD_CA_FILE to the PEM file of a private CA, or use a certificate for that name that this "
            "machine trusts",
        )
    except ssl.SSLError as tls_error:
        return problem(
            f"the TLS handshake with {host}:{port} failed ({tls_error.reason})",
            "check the TLS configuration of the server, or use http:// if the port has no TLS",
        )
    except TimeoutError:
        return problem(f"{host}:{port} does not respond", "check the firewall, and whether Kratos runs there")
    except OSError:
        return problem(
            f"connection refused at {host}:{port}",
            "start Kratos, or correct the port; in a container, 127.0.0.1 is the container itself",
        )
    return problem(
        f"{host}:{port} accepts TCP connections but does not speak HTTP: {error}",
        "check Kratos' log, and whether the URL should start with http:// or https://",
    )


async def _diagnose_unix_socket(path: str, error: KratosUnavailable) -> Finding:
    try:
        _, writer = await asyncio.open_unix_connection(path)
        writer.close()
    except FileNotFoundError:
        return problem(
            f"there is no socket {path}",
            f"start Kratos with serve.public.host unix:{path}, and mount the folder of the socket in a container",
        )
    except PermissionError:
        return problem(
            f"this user must not connect to the socket {path}",
            "set serve.public.socket (owner, group, mode) in Kratos' configuration",
        )
    except OSError:
        return problem(
            f"no process listens on the socket {path}", "start Kratos, or correct the path of the socket"
        )
    return problem(f"the socket {path} accepts connections, but not HTTP: {error}", "check Kratos' log")
