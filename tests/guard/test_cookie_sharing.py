"""The guard warns if a browser can't send the session cookie of Kratos to the application."""

import httpx2
import pytest
from support.guard_bench import settings_of

from ory_guard import OryGuard

OTHER_DOMAIN = "use hosts of one domain"
LOOPBACK = "use the same host name"


def warnings_for(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if message.startswith("settings.cookies_not_shared")]


@pytest.mark.parametrize(
    ("app_url", "kratos_url", "advice"),
    [
        ("http://localhost:8000", "http://127.0.0.1:4433", LOOPBACK),
        ("http://[::1]:8000", "http://localhost:4433", LOOPBACK),
        ("http://app.localhost", "http://kratos.localhost", LOOPBACK),
        ("http://localhost:8000", "https://x.projects.oryapis.com", OTHER_DOMAIN),
        ("https://app.example.com", "https://auth.example.org", OTHER_DOMAIN),
        ("http://app:8000", "http://kratos:4433", OTHER_DOMAIN),
        ("http://10.0.0.1", "http://11.0.0.1", OTHER_DOMAIN),
        ("http://10.0.0.1", "http://app.0.0.1", OTHER_DOMAIN),
        ("http://localhost:8000", "http://localhost:4433", None),
        ("http://[::1]:8000", "http://[::1]:4433", None),
        ("http://app:8000", "http://app:4433", None),
        ("https://example.com", "https://auth.example.com", None),
        ("https://a.b.example.com", "https://example.com", None),
        ("https://example.com/shop", "https://example.com/.ory", None),
    ],
)
def test_warning_names_both_urls_and_the_proxy(
    app_url: str, kratos_url: str, advice: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    OryGuard(settings_of(app_url=app_url, kratos_browser_url=kratos_url))
    warnings = warnings_for(caplog)

    assert len(warnings) == (advice is not None)
    for warning in warnings:
        assert str(advice) in warning
        assert f"app_url={app_url} kratos_browser_url={kratos_url}" in warning
        assert "ory_guard.proxy.KratosProxy" in warning


@pytest.mark.parametrize(
    ("settings", "transport"),
    [
        ({"credentials": ["bearer"]}, None),
        ({"credentials": ["bearer"], "app_url": None}, None),
        ({}, httpx2.AsyncHTTPTransport()),
    ],
)
def test_tokens_and_custom_transports_cause_no_warning(
    settings: dict[str, object], transport: httpx2.AsyncBaseTransport | None, caplog: pytest.LogCaptureFixture
) -> None:
    values = {"app_url": "http://localhost:8000", "kratos_browser_url": "http://127.0.0.1:4433", **settings}
    OryGuard(settings_of(**values), transport=transport)

    assert warnings_for(caplog) == []
