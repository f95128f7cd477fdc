"""The doctor on what browsers depend on: URLs, return addresses, CORS, sites and cookies."""

from typing import Any

import pytest
from doctor_cases import APP, adding, answering, found, found_all, make_context
from starlette.middleware.cors import CORSMiddleware

from ory_guard.cli.doctor import Finding
from ory_guard.testing import FakeKratos


def at(kratos: str, app: str, **settings: Any) -> list[Finding]:
    """Return what is found about cookies with Kratos and the application at these URLs."""
    fake = FakeKratos(public_url=kratos, **settings)
    return found_all("cookie_domain", make_context(fake, app_url=app))


def says(findings: list[Finding], level: str) -> str:
    """Return what the one finding says, which has this level."""
    (finding,) = findings
    assert finding.level == level
    return f"{finding.message} -> {finding.fix}"


def test_a_base_url_that_fits_is_fine() -> None:
    """Kratos' forms lead to where the guard sends browsers."""
    assert found("base_url", FakeKratos()).level == "ok"


def test_a_base_url_that_differs_is_named() -> None:
    """A flow that begins at one origin and ends at another has lost its cookies."""
    finding = found("base_url", FakeKratos(), kratos_browser_url="https://id.example.com")

    assert finding.level == "problem"
    assert (
        "lead to http://127.0.0.1:4433, and the guard sends browsers to https://id.example.com" in finding.message
    )
    assert "serve.public.base_url to https://id.example.com/" in finding.fix
    assert "ORY_GUARD_KRATOS_BROWSER_URL to http://127.0.0.1:4433" in finding.fix


@pytest.mark.parametrize("body", [b"{}", b'{"ui": {}}'])
def test_a_base_url_that_is_not_told_is_skipped(body: bytes) -> None:
    """Where no login can be begun, Kratos' own URL is not known."""
    fake = FakeKratos()

    finding = found("base_url", fake, app=answering(fake.app, "/self-service/login/browser", 400, body))

    assert finding.level == "skipped"


def test_an_application_that_people_may_return_to_is_fine() -> None:
    """The fake allows its UI's URL."""
    assert found("return_to", FakeKratos()).message == f"people may return to {APP}"


def test_an_application_that_is_not_among_the_return_urls_is_named() -> None:
    """People would see Kratos' error page where they expect to sign in."""
    finding = found("return_to", FakeKratos(), app_url="https://app.example.com")

    assert finding.level == "problem"
    assert finding.fix.startswith("add https://app.example.com to selfservice.allowed_return_urls")


def test_a_return_url_that_can_not_be_asked_is_skipped() -> None:
    """Any other refusal says nothing about the address."""
    fake = FakeKratos()

    finding = found("return_to", fake, app=answering(fake.app, "/self-service/login/browser", 500))

    assert finding.level == "skipped"


@pytest.mark.parametrize("check", ["return_to", "cors", "same_site", "cookie_domain"])
def test_without_the_applications_url_some_things_are_skipped(check: str) -> None:
    """The doctor says how to tell it."""
    finding = found(check, FakeKratos(), app_url=None, credentials=("bearer",))

    assert finding.level == "skipped"
    assert "--app-url" in finding.fix


def cors(fake: FakeKratos, **options: Any) -> CORSMiddleware:
    """Return a Kratos whose public API has CORS switched on."""
    return CORSMiddleware(fake.app, **options)


def test_scripts_that_may_not_call_kratos_are_noticed() -> None:
    """That is Kratos' default, and right for most."""
    finding = found("cors", FakeKratos(cors_enabled=False))

    assert finding.level == "notice"
    assert f"scripts of {APP} may not call Kratos" in finding.message


def test_one_origin_needs_no_cors() -> None:
    """Kratos behind a path of the application is called without it."""
    fake = FakeKratos(public_url=f"{APP}/.ory")

    assert "have one origin" in found("cors", fake, kratos_public_url=f"{APP}/.ory").message


def test_scripts_that_may_call_kratos_are_fine() -> None:
    """The application's origin is allowed, with cookies."""
    fake = FakeKratos()

    assert found("cors", fake, app=cors(fake, allow_origins=[APP], allow_credentials=True)).level == "ok"


def test_scripts_that_may_call_kratos_without_cookies_are_a_problem() -> None:
    """A wildcard never comes with cookies, so whoami says that nobody is there."""
    fake = FakeKratos()

    finding = found("cors", fake, app=cors(fake, allow_origins=["*"]))

    assert finding.level == "problem"
    assert "but not with cookies" in finding.message
    assert "allow_credentials: true" in finding.fix


def test_cors_for_everybody_is_a_problem() -> None:
    """Any page of the web could read the session of whoever visits it."""
    fake = FakeKratos()
    open_to_all = adding(
        fake.app,
        {"access-control-allow-origin": "https://doctor.invalid", "access-control-allow-credentials": "true"},
    )

    finding = found("cors", fake, app=open_to_all)

    assert finding.level == "problem"
    assert "every page of the web" in finding.message
    assert "without wildcards" in finding.fix


@pytest.mark.parametrize(
    ("kratos", "app", "level", "words"),
    [
        ("https://example.com/.ory", "https://example.com", "ok", "have one host, example.com"),
        ("https://id.example.com", "https://app.example.com", "ok", "if example.com is a domain of yours"),
        ("https://id.example.com", "https://example.com", "ok", "if example.com is a domain of yours"),
        ("https://id.example.com", "http://app.example.com", "problem", "two sites"),
        ("http://127.0.0.1:4433", "http://localhost:8000", "problem", "write 127.0.0.1 in both"),
        ("https://id.example.net", "https://app.example.com", "problem", "never reaches the application"),
        ("https://x.projects.oryapis.com", "https://example.com", "problem", "never reaches the application"),
        ("http://192.0.2.1", "http://192.0.2.2", "problem", "never reaches the application"),
    ],
)
def test_the_relation_of_both_hosts_is_told(kratos: str, app: str, level: str, words: str) -> None:
    """One host, one site, or two sites between which no cookie goes."""
    finding = found("same_site", FakeKratos(), app_url=app, kratos_browser_url=kratos)

    assert finding.level == level
    assert words in f"{finding.message} -> {finding.fix}"


def test_cookies_for_a_common_domain_are_fine() -> None:
    """`cookies.domain` above both hosts brings them to the application."""
    findings = at("https://id.example.com", "https://app.example.com", cookie_domain="example.com")

    assert says(findings, "ok").startswith(
        "Kratos' cookies are for the domain example.com, and reach app.example.com"
    )
    assert "host 127.0.0.1" in says(at("http://127.0.0.1:4433", APP), "ok")


def test_cookies_for_kratos_host_only_are_named() -> None:
    """Without `cookies.domain` no other host gets them."""
    told = says(at("https://id.example.com", "https://app.example.com"), "problem")

    assert "are for id.example.com, so they never reach app.example.com" in told
    assert "set cookies.domain to example.com" in told


def test_cookies_for_another_branch_are_named() -> None:
    """The domain is above Kratos, and not above the application."""
    told = says(
        at("https://id.eu.example.com", "https://app.us.example.com", cookie_domain="eu.example.com"), "problem"
    )

    assert "set cookies.domain to example.com" in told


def test_hosts_without_a_common_domain_are_named() -> None:
    """No `cookies.domain` helps there."""
    told = says(at("https://id.example.net", "https://app.example.com"), "problem")

    assert "put the application and Kratos on one host" in told


def test_a_domain_that_is_not_kratos_own_is_named() -> None:
    """Browsers refuse cookies for a host that does not send them."""
    told = says(at("https://id.example.com", "https://app.example.com", cookie_domain="example.net"), "problem")

    assert "browsers refuse them" in told


def test_a_path_that_does_not_reach_the_application_is_named() -> None:
    """`cookies.path` limits them to a part of the host."""
    findings = at("http://127.0.0.1:4433", "http://127.0.0.1:8000/shop", cookie_path="/.ory")

    assert "are for the path /.ory, so they never reach /shop" in says(findings, "problem")
    assert says(at("http://127.0.0.1:4433", "http://127.0.0.1:8000/shop", cookie_path="/shop"), "ok")


def test_secure_cookies_and_plain_http_are_named() -> None:
    """Some browsers make an exception for this machine, which makes it the harder to notice."""
    local = at("http://127.0.0.1:4433", APP, cookie_secure=True)
    remote = at("http://example.com:4433", "http://example.com", cookie_secure=True)

    assert "some browsers send them to 127.0.0.1 all the same" in says(local, "notice")
    assert "where browsers don't send them" in says(remote, "problem")
    assert says(at("https://example.com:4433", "https://example.com", cookie_secure=True), "ok")


def test_cookies_for_all_sites_must_be_secure() -> None:
    """Browsers refuse SameSite=None without Secure."""
    findings = at("http://127.0.0.1:4433", APP, cookie_same_site="None")

    assert "SameSite=None without Secure" in says(findings, "problem")


def test_strict_cookies_are_noticed() -> None:
    """Who comes from a link elsewhere looks signed out."""
    assert "SameSite=Strict" in says(at("http://127.0.0.1:4433", APP, cookie_same_site="Strict"), "notice")


def test_where_no_cookie_is_set_none_is_judged() -> None:
    """Another answer than a login says nothing about cookies."""
    fake = FakeKratos()

    finding = found("cookie_domain", fake, app=answering(fake.app, "/self-service/login/browser", 404))

    assert finding.level == "skipped"
