"""Kratos behind a Unix socket: the guard, the client, the doctor and the attributes of telemetry."""

import asyncio
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from support.clock import AdjustableClock
from support.memory_store import eventually
from support.raw_kratos import RawKratos, hang_up, raw_response
from support.scripted_kratos import session_body

from ory_guard import Authenticated, GuardSettings, OryGuard, Unavailable
from ory_guard.cli.doctor.check_context import DoctorContext
from ory_guard.cli.doctor.connectivity import check_reach
from ory_guard.cli.doctor.findings import Finding
from ory_guard.cli.doctor.probe import Probe
from ory_guard.client import FrontendClient
from ory_guard.exceptions import ConfigurationError
from ory_guard.telemetry.attributes import server_attributes

BROWSER_URL = "https://auth.example.com"
SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-session-token", b"ory_st_token")]}
NO_SESSION = raw_response({"error": {"code": 401}}, 401)


def settings_for(path: Path, prefix: str = "") -> GuardSettings:
    """Return the settings for a socket, without cookies."""
    return GuardSettings(
        kratos_public_url=f"http+unix://{quote(str(path), safe='')}{prefix}",
        kratos_browser_url=BROWSER_URL,
        credentials=("x_session_token",),
    )


@pytest.mark.anyio
async def test_guard_and_client_use_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "kratos.sock"
    guard = OryGuard(settings_for(path, "/auth"), clock=AdjustableClock())
    async with RawKratos(raw_response(session_body()), path=path) as kratos:
        outcome = await guard.authenticate({**SCOPE})
        session = await guard.client.to_session(x_session_token="ory_st_token")
        async with FrontendClient(f"{kratos.url}/auth") as client:
            assert (await client.to_session(x_session_token="ory_st_token")).id == session.id
        await guard.aclose()
        await kratos.all_closed()

    assert isinstance(outcome, Authenticated)
    assert outcome.session.id == session.id
    assert {request.target for request in kratos.requests} == {b"/auth/sessions/whoami"}
    assert {dict(request.headers)[b"host"] for request in kratos.requests} == {b"localhost"}


@pytest.mark.anyio
async def test_a_missing_socket_makes_kratos_unavailable(tmp_path: Path) -> None:
    guard = OryGuard(settings_for(tmp_path / "kratos.sock"))

    assert await guard.authenticate({**SCOPE}) == Unavailable("unreachable")

    await guard.aclose()


def test_browsers_need_a_url_of_their_own() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^kratos_browser_url is required .*'http\+unix://%2Frun%2Fk.sock'"
    ):
        GuardSettings(kratos_public_url="http+unix://%2Frun%2Fk.sock", credentials=("x_session_token",))


def test_telemetry_names_the_socket() -> None:
    assert server_attributes(settings_for(Path("/run/k.sock")), {}) == {"server.address": "/run/k.sock"}


async def finding_for(path: Path) -> Finding:
    settings = settings_for(path)
    probe = Probe(settings.kratos_public_url, timeout=1.0)
    (finding,) = await check_reach(DoctorContext(settings=settings, kratos=probe))
    await probe.aclose()
    return finding


@pytest.mark.anyio
async def test_doctor_reaches_the_socket(tmp_path: Path) -> None:
    async with RawKratos(NO_SESSION, path=tmp_path / "kratos.sock"):
        assert (await finding_for(tmp_path / "kratos.sock")).level == "ok"


@pytest.mark.anyio
async def test_doctor_explains_a_socket_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kratos.sock"
    findings = [await finding_for(path)]
    with socket.socket(socket.AF_UNIX) as unused:
        unused.bind(str(path))
    findings.append(await finding_for(path))
    path.unlink()
    async with RawKratos(hang_up, path=path) as kratos:
        findings.append(await finding_for(path))
        await eventually(lambda: kratos.connections == 2)
        await kratos.all_closed()

    async def refuse(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(asyncio, "open_unix_connection", refuse)
    findings.append(await finding_for(path))

    messages = [finding.message.replace(str(path), "PATH") for finding in findings]
    assert messages[:2] == ["there is no socket PATH", "no process listens on the socket PATH"]
    assert messages[2].startswith("the socket PATH accepts connections, but not HTTP: ")
    assert messages[3] == "this user must not connect to the socket PATH"
    assert all(finding.level == "problem" and finding.fix for finding in findings)
