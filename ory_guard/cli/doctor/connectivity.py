"""Can Kratos be reached, and is it Kratos' public API that answers?"""

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

from ory_guard.cli.doctor.context import DoctorContext, Finding, error_object, ok, problem, text_header
from ory_guard.exceptions import KratosUnavailable
from ory_guard.kratos.session_parser import Answer

__all__ = ["check_reach"]

_SETTING = "set ORY_GUARD_KRATOS_PUBLIC_URL (--kratos-url) to the URL of Kratos' public API"


async def check_reach(context: DoctorContext) -> list[Finding]:
    """Ask whoami without a credential, which Kratos refuses in a way of its own."""
    try:
        answer = await context.kratos.get("/sessions/whoami")
    except KratosUnavailable as error:
        return [await _why_unreachable(context, error)]
    if answer.status != 401 or error_object(answer).get("code") != 401:
        return [await _what_else_answers(context, answer)]
    started = context.clock.monotonic()  # of a second question: the first one has to connect
    await context.kratos.get("/sessions/whoami")
    seconds = context.clock.monotonic() - started
    return [ok(f"Kratos answers at {context.kratos.url}, in {seconds * 1_000:.0f} ms")]


async def _what_else_answers(context: DoctorContext, answer: Answer) -> Finding:
    url = context.kratos.url
    if answer.status == 200:
        return problem(
            f"{url} answers 200 without a credential: something in between adds one, or it is no Kratos",
            "let nothing between the application and Kratos add cookies or tokens",
        )
    if answer.status == 429:
        seconds = text_header(answer, "retry-after") or "some"
        return problem(
            f"{url} answers 429: it is asked too often, and wants a pause of {seconds} seconds",
            "wait, then raise ORY_GUARD_CACHE_TTL or the limit in front of Kratos",
        )
    if answer.status >= 500:
        return problem(
            f"{url} answers {answer.status}: Kratos, or a proxy in front of it, is in trouble",
            f"look at Kratos' log and its database; {url}/health/ready tells whether it is ready",
        )
    if answer.status == 404 and (await context.kratos.get("/admin/health/alive")).status == 200:
        return problem(f"{url} is Kratos' admin API", f"{_SETTING}, whose port is 4433 by default")
    return problem(
        f"{url}/sessions/whoami answers {answer.status} as Kratos does not: another server, or a path is missing",
        f"{_SETTING}, with the path prefix that a proxy gives it",
    )


async def _why_unreachable(context: DoctorContext, error: KratosUnavailable) -> Finding:
    parts = urlsplit(context.kratos.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(context.settings.timeout):
            tls = ssl.create_default_context() if secure else None
            _, writer = await asyncio.open_connection(host, port, ssl=tls)
        writer.close()
    except socket.gaierror:
        return problem(f"the name {host} is not known here", f"{_SETTING}, with a name that is")
    except ssl.SSLError as fault:
        reason = getattr(fault, "verify_message", "") or fault.reason
        return problem(
            f"{host}:{port} does not speak TLS as expected ({reason})",
            "give it a certificate that this machine trusts, for that name; or use http:// where it has none",
        )
    except TimeoutError:
        return problem(f"{host}:{port} does not answer", "look for a firewall, and whether Kratos runs there")
    except OSError:
        return problem(
            f"nothing takes connections at {host}:{port}",
            "start Kratos, or correct the port; inside a container 127.0.0.1 is that container itself",
        )
    return problem(
        f"{host}:{port} takes connections, but gives no answer to HTTP: {error}",
        "look at Kratos' log, and whether the URL must begin with https:// instead of http:// or the other way",
    )
