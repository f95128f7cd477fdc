"""The doctor as a whole, and the check `reach` with real servers."""

import asyncio
import json
from pathlib import Path

import pytest
from doctor_setup import cookies, findings_of, over_sockets, run_all, setup, token
from support.certificates import make_certificate
from support.raw_kratos import RawKratos, hang_up

from ory_guard.cli.doctor import CHECKS
from ory_guard.cli.doctor.probe import json_object
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.testing import FakeKratos, Fault

pytestmark = pytest.mark.anyio


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


async def send_plain_text(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to a TLS handshake as a server without TLS does."""
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


async def test_reach_reports_the_cause_of_a_failed_connection(tmp_path: Path) -> None:
    server_context, _ = make_certificate(tmp_path)
    async with (
        await asyncio.start_server(send_plain_text, "127.0.0.1", 0) as plain,
        RawKratos(tls=server_context) as untrusted,
        RawKratos(hang_up) as silent,
    ):
        port = plain.sockets[0].getsockname()[1]
        rows = [
            (f"https://127.0.0.1:{port}", f"TLS handshake with 127.0.0.1:{port} failed (WRONG_VERSION_NUMBER)", ""),
            (
                untrusted.url,
                f"127.0.0.1:{untrusted.port}: certificate not trusted (self-signed certificate)",
                "set ORY_GUARD_CA_FILE",
            ),
            (silent.url, "accepts TCP connections but does not speak HTTP", "https://"),
        ]
        for url, message, fix in rows:
            (finding,) = await findings_of("reach", setup({"public_url": url}, proxy=over_sockets))
            assert finding.level == "problem"
            assert message in finding.message
            assert fix in finding.fix
