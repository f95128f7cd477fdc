"""The doctor as a whole, and the check `reach` with real servers."""

import asyncio
import json
from pathlib import Path

import pytest
from doctor_setup import cookies, findings_of, over_sockets, run_all, setup, token
from support.certificates import make_certificate
from support.raw_kratos import RawKratos, hang_up

from ory_guard.cli.doctor import CHECKS, Finding
from ory_guard.cli.doctor.probe import json_object
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.testing import FakeKratos, Fault


@pytest.fixture
def fake() -> FakeKratos:
    """A fake Kratos."""
    return FakeKratos()


@pytest.fixture
def jwks(fake: FakeKratos, tmp_path: Path) -> Path:
    """A file with the public keys of the fake."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(fake.jwks))
    return path


def test_checks_are_skipped_if_kratos_is_unreachable(fake: FakeKratos) -> None:
    fake.fail(Fault.server_error(), times=1)

    findings = run_all(setup(fake))

    assert [*findings] == [check.name for check in CHECKS]
    skipped = {name for name, finding in findings.items() if finding.message == "Kratos is unreachable"}
    assert skipped == {check.name for check in CHECKS if check.needs_kratos} - {"reach"}
    assert fake.requests.whoami_calls == 1


def test_check_reports_problem_if_kratos_stops_responding(fake: FakeKratos) -> None:
    fake.fail(Fault.reset(), path="/self-service/login/api")

    findings = run_all(setup(fake))

    assert findings["clock"].level == "problem"
    assert findings["clock"].message.startswith("Kratos stopped responding during this check: ")
    assert findings["clock"].fix == "retry"
    assert findings["return_to"].level == "ok"


def test_kratos_receives_no_other_cookies_of_the_browser(fake: FakeKratos, jwks: Path) -> None:
    findings = run_all(setup(fake, credential=cookies, jwks=jwks, template="jwt_basic"))

    sent = [request.headers["cookie"] for request in fake.requests if "cookie" in request.headers]
    assert len(sent) > 3
    assert [header for header in sent if ";" in header or not header.startswith("ory_kratos_session=")] == []
    assert findings["jwks"].level == findings["cookie_name"].level == "ok"


def test_aal1_session_of_user_with_two_factors_causes_no_problem(fake: FakeKratos, jwks: Path) -> None:
    findings = run_all(setup(fake, user={"totp": True}, credential=token, jwks=jwks, template="jwt_basic"))

    assert findings["required_aal"].level == findings["caching"].level == "ok"
    assert findings["jwks"].level == "skipped"
    assert "requires a second factor" in findings["jwks"].message
    assert not [finding for finding in findings.values() if finding.level == "problem"]


def test_json_object_is_empty_for_other_bodies() -> None:
    headers = [(b"content-type", b"application/json")]

    assert json_object(HTTPResponse(200, headers, b"[" * 100_000)) == {}
    assert json_object(HTTPResponse(200, [], b"{}")) == {}


async def reach(url: str) -> Finding:
    """Return the finding of the check `reach` at a URL."""
    (finding,) = await findings_of("reach", setup({"public_url": url}, proxy=over_sockets))
    return finding


def test_reach_reports_failed_tls_handshake() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run() -> tuple[int, Finding]:
        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return port, await reach(f"https://127.0.0.1:{port}")

    port, finding = asyncio.run(run())

    assert finding.level == "problem"
    assert finding.message == f"the TLS handshake with 127.0.0.1:{port} failed (WRONG_VERSION_NUMBER)"


def test_reach_reports_untrusted_certificate(tmp_path: Path) -> None:
    server_context, _ = make_certificate(tmp_path)

    async def run() -> tuple[int, Finding]:
        async with RawKratos(tls=server_context) as server:
            return server.port, await reach(server.url)

    port, finding = asyncio.run(run())

    assert finding.level == "problem"
    assert finding.message == f"127.0.0.1:{port}: certificate not trusted (self-signed certificate)"
    assert finding.fix.startswith("set ORY_GUARD_CA_FILE")


def test_reach_reports_server_that_does_not_speak_http() -> None:
    async def run() -> Finding:
        async with RawKratos(hang_up) as server:
            return await reach(server.url)

    finding = asyncio.run(run())

    assert finding.level == "problem"
    assert "accepts TCP connections but does not speak HTTP" in finding.message
    assert "https://" in finding.fix
