"""The doctor's first question: is this Kratos' public API, and if nobody answers, why?"""

import asyncio
from typing import Any

import pytest
from doctor_cases import adding, answering, findings_in, found, make_context
from support.socket_kratos import hang_up, listening

from ory_guard.cli.doctor import CHECKS, Finding
from ory_guard.cli.doctor.connectivity import check_reach
from ory_guard.testing import FakeKratos, Fault


async def at_url(url: str, **settings: Any) -> Finding:
    """Return what is found over real connections at a URL."""
    context = make_context(FakeKratos(public_url=url), over_sockets=True, **settings)
    try:
        (finding,) = await check_reach(context)
        return finding
    finally:
        await context.kratos.aclose()


def test_kratos_is_recognised() -> None:
    """Its refusal of nobody is like no other server's."""
    finding = found("reach", FakeKratos())

    assert finding.level == "ok"
    assert finding.message.startswith("Kratos answers at http://127.0.0.1:4433, in ")


def test_a_closed_port_is_named() -> None:
    """Nothing listens: start it, or correct the port."""
    finding = asyncio.run(at_url("http://127.0.0.1:1"))

    assert finding.level == "problem"
    assert finding.message == "nothing takes connections at 127.0.0.1:1"
    assert "start Kratos" in finding.fix


def test_an_unknown_name_is_named() -> None:
    """A host name that does not resolve here is told as such (RFC 6761 keeps .invalid unknown)."""
    finding = asyncio.run(at_url("http://kratos.invalid"))

    assert finding.message == "the name kratos.invalid is not known here"


def test_a_server_without_tls_is_named() -> None:
    """An https URL in front of a server that speaks plain http fails in the handshake."""

    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async def look() -> Finding:
        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            return await at_url(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

    finding = asyncio.run(look())

    assert finding.level == "problem"
    assert "does not speak TLS as expected (WRONG_VERSION_NUMBER)" in finding.message


def test_a_host_that_does_not_answer_is_named() -> None:
    """A packet that nobody answers looks like this: no connection within the time there is."""
    finding = asyncio.run(at_url("http://127.0.0.1:1", timeout=1e-9))

    assert finding.message == "127.0.0.1:1 does not answer"
    assert "firewall" in finding.fix


def test_a_server_that_is_no_http_server_is_named() -> None:
    """It takes the connection, and says nothing."""

    async def look() -> Finding:
        async with listening(hang_up) as server:
            return await at_url(server.url)

    finding = asyncio.run(look())

    assert "takes connections, but gives no answer to HTTP" in finding.message
    assert "https://" in finding.fix


def test_the_admin_api_is_named() -> None:
    """Its port is the one next to the right one, and the commonest mistake."""
    fake = FakeKratos()

    finding = found("reach", fake, app=fake.admin_app)

    assert finding.message == "http://127.0.0.1:4433 is Kratos' admin API"
    assert "ORY_GUARD_KRATOS_PUBLIC_URL" in finding.fix


@pytest.mark.parametrize("status", [404, 403, 401, 204], ids=str)
def test_another_server_is_named(status: int) -> None:
    """Whatever answers otherwise than Kratos is another server, or a path prefix is missing."""
    fake = FakeKratos()
    other = answering(fake.app, "/sessions/whoami", status, b"<html>", b"text/html")

    finding = found("reach", fake, app=other)

    assert finding.level == "problem"
    assert f"/sessions/whoami answers {status} as Kratos does not" in finding.message
    assert "path prefix" in finding.fix


def test_somebody_who_adds_credentials_is_named() -> None:
    """A 200 for nobody means that everybody is somebody."""
    fake = FakeKratos()

    finding = found("reach", fake, app=answering(fake.app, "/sessions/whoami", 200))

    assert finding.level == "problem"
    assert "answers 200 without a credential" in finding.message


def test_kratos_in_trouble_is_named() -> None:
    """A 5xx is about Kratos or what stands in front of it."""
    fake = FakeKratos()
    fake.fail(Fault.server_error(502))

    finding = found("reach", fake)

    assert "answers 502" in finding.message
    assert "/health/ready" in finding.fix


@pytest.mark.parametrize(("headers", "seconds"), [({"retry-after": "7"}, "7"), ({}, "some")], ids=["told", "not"])
def test_a_limit_that_is_reached_is_named(headers: dict[str, str], seconds: str) -> None:
    """A 429 says how long to wait, or does not."""
    fake = FakeKratos()
    limited = adding(answering(fake.app, "/sessions/whoami", 429), headers)

    finding = found("reach", fake, app=limited)

    assert f"wants a pause of {seconds} seconds" in finding.message


def test_where_kratos_is_out_of_reach_the_rest_is_skipped() -> None:
    """What asks Kratos is not tried again and again, and what does not is looked at all the same."""
    fake = FakeKratos()
    fake.fail(Fault.server_error(), times=1)

    findings = findings_in(make_context(fake))

    assert [finding.check for finding in findings] == [check.name for check in CHECKS]
    unreached = {finding.check for finding in findings if finding.message == "Kratos can't be asked"}
    assert unreached == {check.name for check in CHECKS if check.asks_kratos} - {"reach"}
    assert fake.requests.whoami_calls == 1


def test_a_kratos_that_goes_away_in_the_midst_is_a_problem_of_that_check() -> None:
    """The other checks are made all the same, and nothing is raised."""
    fake = FakeKratos()
    fake.fail(Fault.reset(), path="/self-service/login/api")

    findings = {finding.check: finding for finding in findings_in(make_context(fake))}

    assert findings["clock"].level == "problem"
    assert "Kratos gave no answer in the midst of it" in findings["clock"].message
    assert findings["return_to"].level == "ok"
