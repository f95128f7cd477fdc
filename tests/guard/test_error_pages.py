"""The pages for people: they say what happened, and show no value."""

import re

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
def test_the_title_says_what_happened(refusal: Refusal, title: str) -> None:
    """A person who reads nothing else should know whether waiting helps."""
    page = page_of(refusal)

    assert f"<title>{title}</title>" in page
    assert f"<h1>{title}</h1>" in page
    assert f'<a href="{APP}">Go to the home page</a>' in page
    assert "<li>" not in page


def test_conditions_are_told_in_words_and_without_values() -> None:
    """Which ones, and neither what was asked for nor what is there: that is the API's to know."""
    failures = tuple(Failure(id=name, expected="acme-secret", actual="ada-secret") for name in CONDITIONS)

    page = page_of(RequirementNotMet(failures=failures))

    assert len(set(re.findall("<li>(.*?)</li>", page))) == len(CONDITIONS)
    assert "secret" not in page


def test_a_condition_that_nobody_knows_is_one_of_the_applications() -> None:
    """A refusal that the application raised itself is no error."""
    page = page_of(RequirementNotMet(failures=(Failure(id="quota", expected=1, actual=2),)))

    assert "<li>a condition of this application</li>" in page


def test_words_are_escaped() -> None:
    """A reason may hold anything."""
    assert "<p>a &lt;b&gt; &amp; &quot;c&quot;</p>" in page_of(RequirementNotMet('a <b> & "c"'))


def test_the_way_out_without_an_app_url_is_the_root() -> None:
    """Of whatever served the page."""
    settings = settings_of(app_url=None, credentials=("bearer",))

    assert b'<a href="/">' in pages.refusal_page(SessionRequired(), settings)


def test_the_end_of_a_loop_shows_the_way_on() -> None:
    """To try again, or to the start page."""
    page = pages.redirect_loop_page("https://id.example.com/login?a=b&c=d", SETTINGS).decode()

    assert 'href="https://id.example.com/login?a=b&amp;c=d"' in page
    assert f'href="{APP}"' in page


def test_pages_load_nothing_and_cannot_be_framed() -> None:
    """No script, no image, no foreign origin."""
    headers = dict(pages.HEADERS)

    assert headers[b"content-security-policy"] == (
        b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    )
    assert not re.search(r"<script|<img|<link|src=", page_of(RequirementNotMet()))
