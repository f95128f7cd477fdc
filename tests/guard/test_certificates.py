"""Certificates of a private CA: the setting `ca_file`, `SSL_CERT_FILE`, and the reports of an untrusted one."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from support.certificates import make_certificate
from support.clock import AdjustableClock
from support.guard_bench import request, settings_of
from support.raw_kratos import RawKratos, raw_response
from support.scripted_kratos import session_body

from ory_guard import Authenticated, GuardSettings, OryGuard, Unavailable
from ory_guard.client import FrontendClient
from ory_guard.events import CheckFailed, Event
from ory_guard.exceptions import ConfigurationError, KratosUnavailable
from ory_guard.kratos.json_document import JSONDocument

pytestmark = pytest.mark.anyio

UNTRUSTED = "certificate not trusted (self-signed certificate)"


@pytest.fixture(autouse=True)
def no_certificate_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables of OpenSSL from the environment."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


@pytest.fixture
async def kratos(tmp_path: Path) -> AsyncIterator[RawKratos]:
    """Run a Kratos with the certificate of a private CA, which is in `ca.pem`."""
    server_context, _ = make_certificate(tmp_path)
    async with RawKratos(raw_response(session_body()), tls=server_context) as kratos:
        yield kratos


@asynccontextmanager
async def guard_of(kratos: RawKratos, **options: Any) -> AsyncIterator[OryGuard]:
    """Return a guard; options are settings, and `transport` and `listeners`."""
    made = {name: options.pop(name) for name in ("transport", "listeners") if name in options}
    settings = settings_of(**{"kratos_public_url": kratos.url, "timeout": 30, **options})
    guard = OryGuard(settings, clock=AdjustableClock(), **made)
    yield guard
    await guard.aclose()


@pytest.mark.parametrize("source", ["path", "text", "environment", "SSL_CERT_FILE"])
async def test_ca_file_is_trusted(
    kratos: RawKratos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """By the guard, its client and other documents of Kratos."""
    ca_file = tmp_path / "ca.pem"
    options: dict[str, Any] = {"kratos_public_url": kratos.url, "timeout": 30}
    if source == "SSL_CERT_FILE":
        monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    else:
        options["ca_file"] = ca_file if source == "path" else str(ca_file)
    settings = settings_of(**options)
    if source == "environment":
        for name, value in {**options, "app_url": "https://app.example.com"}.items():
            monkeypatch.setenv(f"ORY_GUARD_{name.upper()}", str(value))
        settings = GuardSettings.from_env()
    guard = OryGuard(settings, clock=AdjustableClock())

    assert isinstance(await guard.authenticate(request()), Authenticated)
    assert (await guard.client.to_session(x_session_token="token")).active
    if source == "SSL_CERT_FILE":
        assert b"active" in await JSONDocument(f"{kratos.url}/jwks.json", timeout=30).fetch()
    await guard.aclose()


@pytest.mark.parametrize("via", ["pool", "transport"])
async def test_untrusted_certificate_is_reported(
    kratos: RawKratos, caplog: pytest.LogCaptureFixture, via: str
) -> None:
    """The credential is not sent."""
    events: list[Event] = []
    options = {"transport": httpx2.AsyncHTTPTransport()} if via == "transport" else {}
    with caplog.at_level(logging.WARNING, "ory_guard"):
        async with guard_of(kratos, listeners=[events.append], **options) as guard:
            assert await guard.authenticate(request()) == Unavailable("unreachable")

    assert f"whoami.failed reason=unreachable: {UNTRUSTED}; set ca_file for a private CA" in caplog.text
    assert [event.detail for event in events if isinstance(event, CheckFailed)] == ["certificate not trusted"]
    async with FrontendClient(kratos.url) as client:
        with pytest.raises(KratosUnavailable, match=r"unreachable \(certificate not trusted \(self-signed"):
            await client.to_session(x_session_token="token")
    assert kratos.requests == []


@pytest.mark.parametrize("content", [None, "", "not a certificate"])
def test_ca_file_must_contain_certificates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    """The error is raised when the guard is created, not at the first request."""
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_text(content)

    with pytest.raises(ConfigurationError, match=r"ca_file.*must be a PEM file with CA certificates"):
        settings_of(ca_file=str(ca_file))
    with pytest.raises(ConfigurationError, match=r"ca_file must be a PEM file with CA certificates"):
        FrontendClient("https://kratos.example", ca_file=str(ca_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca_file))
    with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE must be a PEM file with CA .*ca\.pem"):
        OryGuard(settings_of(kratos_public_url="https://kratos.example"))
    OryGuard(settings_of(kratos_public_url="http://kratos.example"))
