"""Tests of the example's command and of its selection of Kratos."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from support.ports import free_port

from example_app.kratos_backend import from_environment
from ory_guard.exceptions import ConfigurationError

APP_URL = "http://127.0.0.1:4455"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name.startswith("ORY_GUARD_"):
            monkeypatch.delenv(name)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


def test_kratos_is_embedded_without_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORY_GUARD_CACHE_TTL", "3")
    backend = from_environment(APP_URL)

    assert backend.fake is not None
    assert backend.settings.kratos_public_url == f"{APP_URL}/.ory"
    assert backend.settings.cache_ttl == 3


@pytest.mark.parametrize(
    ("app_url", "expected"),
    [
        ("http://localhost:4455", {"passkey", "webauthn"}),
        ("https://door.localhost", {"passkey", "webauthn"}),
        ("http://127.0.0.1:4455", set()),
        ("http://[::1]:4455", set()),
    ],
)
def test_embedded_kratos_has_passkeys_on_a_domain(app_url: str, expected: set[str]) -> None:
    fake = from_environment("http://127.0.0.1:4455", app_url).fake

    assert fake is not None
    assert fake.settings.methods & {"passkey", "webauthn"} == expected


def test_kratos_is_real_with_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORY_GUARD_KRATOS_PUBLIC_URL", "http://127.0.0.1:4433")
    monkeypatch.setenv("ORY_GUARD_KRATOS_BROWSER_URL", "http://id.example")
    monkeypatch.setenv("ORY_GUARD_APP_URL", "http://app.example")
    backend = from_environment(APP_URL)

    assert backend.fake is None
    assert backend.transport is None
    assert backend.settings.kratos_browser_url == "http://id.example"
    assert backend.settings.app_url == "http://app.example"


@pytest.mark.parametrize(
    "app_url",
    ["https://door.example", "http://localhost.example", "http://10.0.0.1:4455", "http://0.0.0.0:4455"],
)
def test_embedded_kratos_refuses_an_address_that_is_not_loopback(
    monkeypatch: pytest.MonkeyPatch, app_url: str
) -> None:
    monkeypatch.setenv("ORY_GUARD_APP_URL", app_url)

    with pytest.raises(ConfigurationError, match=r"is not a loopback address.*ORY_GUARD_KRATOS_PUBLIC_URL"):
        from_environment(APP_URL)


def test_unknown_setting_raises_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORY_GUARD_CACHE_TLL", "3")

    with pytest.raises(ConfigurationError, match="unknown setting ORY_GUARD_CACHE_TLL"):
        from_environment(APP_URL)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start the example as its README says."""
    return subprocess.Popen(
        [sys.executable, "-m", "example_app", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_command_serves_until_interrupted() -> None:
    port = free_port()
    started = start("--port", str(port), PYTHONUNBUFFERED="1")
    assert started.stdout is not None
    try:
        assert started.stdout.readline().startswith(f"Serving http://localhost:{port} with an embedded Kratos")
        transport = httpx2.HTTPTransport(retries=20)
        with httpx2.Client(transport=transport, trust_env=False) as client:
            response = client.get(f"http://127.0.0.1:{port}/", follow_redirects=True, timeout=60)
    finally:
        started.send_signal(signal.SIGINT)
        output, _ = started.communicate(timeout=60)

    assert (response.status_code, response.url.host) == (200, "localhost")
    assert "Traceback" not in output


def test_command_reports_an_invalid_setting_without_a_traceback() -> None:
    started = start(ORY_GUARD_CACHE_TTL="-1")
    output, _ = started.communicate(timeout=60)

    assert started.returncode == 1
    assert output.startswith("Invalid settings: cache_ttl: '-1' is not allowed")
    assert "Traceback" not in output
