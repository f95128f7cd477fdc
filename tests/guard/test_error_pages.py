"""Error pages: titles, conditions, escaping and headers."""

import re
from html import escape
from typing import get_args

import pytest
from support.guard_bench import settings_of
from support.scripted_kratos import APP

from ory_guard.exceptions import (
    CsrfViolation,
    Failure,
    Refusal,
    RequirementNotMet,
    SessionCheckUnavailable,
    SessionRequired,
)
from ory_guard.guard.responses import error_pages as pages
from ory_guard.guard.responses.refusal_reasons import REASON_TEXTS, RefusalReason

SETTINGS = settings_of()
CONDITIONS = ("aal", "max_age", "authentication_methods", "verified", "organization", "when")


def page_of(refusal: Refusal) -> str:
    """Return the page of a refusal."""
    return pages.refusal_page(refusal, SETTINGS).decode()


@pytest.mark.parametrize(
    ("refusal", "title"),
    [
        (SessionCheckUnavailable(), "Temporarily unavailable"),
        (CsrfViolation(), "Cross-site request blocked"),
        (RequirementNotMet(), "Access denied"),
    ],
)
def test_title_depends_on_the_refusal(refusal: Refusal, title: str) -> None:
    page = page_of(refusal)

    assert f"<title>{title}</title>" in page
    assert f"<h1>{title}</h1>" in page
    assert f'<a href="{APP}">Go to the home page</a>' in page
    assert "<li>" not in page


def test_page_lists_failed_conditions_without_values() -> None:
    failures = tuple(Failure(id=name, expected="acme-secret", actual="ada-secret") for name in CONDITIONS)

    page = page_of(RequirementNotMet(failures=failures))

    assert len(set(re.findall("<li>(.*?)</li>", page))) == len(CONDITIONS)
    assert "secret" not in page


def test_page_names_the_second_factor_if_its_age_is_limited() -> None:
    failures = (Failure(id="max_age", expected=60, actual=61),)

    assert "<li>a recent second factor</li>" in page_of(RequirementNotMet(failures=failures, aal="aal2"))
    assert "<li>a recent login</li>" in page_of(RequirementNotMet(failures=failures, aal="aal1"))


def test_unknown_condition_is_described_as_one_of_the_application() -> None:
    """The application may raise a refusal with its own failures."""
    page = page_of(RequirementNotMet(failures=(Failure(id="quota", expected=1, actual=2),)))

    assert "<li>a condition of this application</li>" in page


def test_reason_is_escaped() -> None:
    assert "<p>a &lt;b&gt; &amp; &quot;c&quot;</p>" in page_of(RequirementNotMet('a <b> & "c"'))


def test_home_page_without_app_url_is_the_root() -> None:
    settings = settings_of(app_url=None, credentials=("bearer",))

    assert b'<a href="/">' in pages.refusal_page(SessionRequired(), settings)


@pytest.mark.parametrize("reason", get_args(RefusalReason))
def test_redirect_loop_page_names_the_reason_and_links_to_login_and_home_page(reason: RefusalReason) -> None:
    page = pages.redirect_loop_page("https://id.example.com/login?a=b&c=d", SETTINGS, reason).decode()

    assert f"<code>{reason}</code>" in page
    assert escape(REASON_TEXTS[reason]) in page

    assert 'href="https://id.example.com/login?a=b&amp;c=d"' in page
    assert f'href="{APP}"' in page


def test_pages_load_nothing_and_cannot_be_framed() -> None:
    headers = dict(pages.HEADERS)

    assert headers[b"content-security-policy"] == (
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    assert not re.search(r"<script|<img|<link|src=", page_of(RequirementNotMet()))
