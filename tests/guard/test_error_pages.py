"""Error pages: titles, conditions, escaping and headers."""

import re

import pytest
from support.guard_bench import settings_of
from support.scripted_kratos import APP

from ory_guard.exceptions import CsrfViolation, Failure, Refusal, RequirementNotMet, SessionCheckUnavailable
from ory_guard.guard.responses import error_pages as pages

SETTINGS = settings_of()
CONDITIONS = ("aal", "max_age", "authentication_methods", "verified", "organization", "when")


def page_of(refusal: Refusal) -> str:
    return pages.refusal_page(refusal, SETTINGS).decode()


@pytest.mark.parametrize(
    ("refusal", "title"),
    [
        (SessionCheckUnavailable('a <b> & "c"'), "Temporarily unavailable"),
        (CsrfViolation('a <b> & "c"'), "Cross-site request blocked"),
        (RequirementNotMet('a <b> & "c"'), "Access denied"),
    ],
)
def test_page_has_the_title_and_the_reason_of_the_refusal(refusal: Refusal, title: str) -> None:
    page = page_of(refusal)

    assert f"<title>{title}</title>" in page
    assert f"<h1>{title}</h1>" in page
    assert "<p>a &lt;b&gt; &amp; &quot;c&quot;</p>" in page
    assert f'<a href="{APP}">Go to the home page</a>' in page
    assert not re.search(r"<li>|<script|<img|<link|src=", page)
    without_app_url = settings_of(app_url=None, credentials=("bearer",))
    assert b'<a href="/">' in pages.refusal_page(refusal, without_app_url)


def test_page_lists_failed_conditions_without_values() -> None:
    """The application may raise a refusal with its own conditions."""
    failures = tuple(
        Failure(id=name, expected="acme-secret", actual="ada-secret") for name in (*CONDITIONS, "quota")
    )
    items = {
        aal: re.findall("<li>(.*?)</li>", page_of(RequirementNotMet(failures=failures, aal=aal)))
        for aal in ("aal1", "aal2")
    }

    assert len({*items["aal1"]}) == len(CONDITIONS)
    assert items["aal1"][-2:] == ["a condition of this application"] * 2
    assert (items["aal1"][1], items["aal2"][1]) == ("a recent login", "a recent second factor")
    assert "secret" not in str(items)


def test_pages_cannot_be_framed() -> None:
    policy = b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

    assert dict(pages.HEADERS)[b"content-security-policy"] == policy
