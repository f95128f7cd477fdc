"""The doctor's checks of URLs, CORS and cookies, as a table."""

from typing import Any

import pytest
from doctor_setup import APP, Proxy, adding, assert_finding, replacing, row, run_all, run_check, setup
from starlette.middleware.cors import CORSMiddleware

AT, ELSEWHERE, EXAMPLE = "http://127.0.0.1:4433", "https://id.example.com", "https://app.example.com"
LOGIN = "/self-service/login/browser"
PROXIED = {"kratos_browser_url": f"{APP}/.ory"}
BEHIND_PROXY = {"public_url": f"{APP}/.ory"}
MOUNTED = {"ui_url": f"{APP}/auth"}
ANY_ORIGIN = {"access-control-allow-origin": "https://doctor.invalid", "access-control-allow-credentials": "true"}


def cors(**options: Any) -> Proxy:
    """Return a proxy that implements CORS."""
    return lambda app: CORSMiddleware(app, **options)


def sites(level: str, text: str, kratos: str, app: str) -> Any:
    """Return a row about these public URLs."""
    return row(f"same_site {level}", text, guard={"app_url": app, "kratos_browser_url": kratos})


def cookie(level: str, text: str, kratos: str, app: str, **attributes: Any) -> Any:
    """Return a row about cookies with these attributes, at these public URLs."""
    settings = {"public_url": kratos, **{f"cookie_{name}": value for name, value in attributes.items()}}
    return row(f"cookie_domain {level}", text, settings, {"app_url": app})


ROWS = [
    row("base_url ok", f"agree on Kratos' browser URL, {AT}"),
    row(
        "base_url problem",
        f"forms are submitted to {AT}, but the guard redirects browsers to {ELSEWHERE} … -> set "
        f"serve.public.base_url to {ELSEWHERE}/ … ORY_GUARD_KRATOS_BROWSER_URL to {AT}",
        guard={"kratos_browser_url": ELSEWHERE},
    ),
    row("base_url ok", f"KratosProxy at {APP}/.ory changes {AT} in Kratos' forms", guard=PROXIED),
    row(
        "base_url ok",
        f"agree on Kratos' browser URL, {APP}/.ory",
        BEHIND_PROXY,
        PROXIED | {"kratos_public_url": AT},
    ),
    row(
        "base_url problem",
        f"submitted to {ELSEWHERE}, which is neither kratos_public_url, {AT}, nor the proxy, {APP}/.ory … -> set "
        f"serve.public.base_url to {APP}/.ory/",
        {"public_url": ELSEWHERE},
        PROXIED | {"kratos_public_url": AT},
    ),
    row("base_url skipped", "status 400", proxy=replacing(LOGIN, 400)),
    row("base_url skipped", "status 200", proxy=replacing(LOGIN, 200, b'{"ui": {}}')),
    row("return_to ok", f"Kratos accepts {APP} as a return URL"),
    row("return_to problem", f"-> add {EXAMPLE} to selfservice.allowed_return_urls", guard={"app_url": EXAMPLE}),
    row("return_to skipped", "status 500", proxy=replacing(LOGIN, 500)),
    *(
        row(f"{check} skipped", "-> give --app-url", guard={"app_url": None, "credentials": ("bearer",)})
        for check in ("return_to", "cors", "same_site", "cookie_domain")
    ),
    row("pages ok", f"lead to the pages at {APP}/auth", MOUNTED, {"login_url": f"{APP}/auth"}),
    row("pages ok", f"lead to the pages at {APP}/auth", MOUNTED, {"login_url": f"{APP}/auth/login?organization=o"}),
    row("pages ok", "lead to the pages", MOUNTED | {"registration_enabled": False}, {"login_url": f"{APP}/auth"}),
    row(
        "pages problem",
        f"recovery flow leads to {APP}/recovery … -> set selfservice.flows.recovery.ui_url to {APP}/auth/recovery",
        MOUNTED | {"recovery_ui_url": f"{APP}/recovery"},
        {"login_url": f"{APP}/auth"},
    ),
    row("cors notice", f"scripts of {APP} can't call Kratos", {"cors_enabled": False}),
    row("cors ok", "the application and Kratos have the same origin", {"public_url": f"{APP}/.ory"}),
    row("cors ok", f"scripts of {APP} can call", proxy=cors(allow_origins=[APP], allow_credentials=True)),
    row("cors problem", "not with cookies (allowed: *) … allow_credentials: true", proxy=cors(allow_origins=["*"])),
    row("cors problem", "any website … without wildcards", proxy=adding(ANY_ORIGIN)),
    sites("ok", "have the same host, example.com", "https://example.com/.ory", "https://example.com"),
    sites("ok", "provided that you own example.com", ELSEWHERE, EXAMPLE),
    sites("ok", "provided that you own example.com", ELSEWHERE, "https://example.com"),
    sites("problem", "two sites", ELSEWHERE, "http://app.example.com"),
    sites("problem", "-> use 127.0.0.1 for both", AT, "http://localhost:8000"),
    sites("problem", "never reaches the application", "https://id.example.net", EXAMPLE),
    sites("problem", "never reaches the application", "https://x.projects.oryapis.com", "https://example.com"),
    sites("problem", "never reaches the application", "http://192.0.2.1", "http://192.0.2.2"),
    cookie("ok", "for the domain example.com and reach app.example.com", ELSEWHERE, EXAMPLE, domain="example.com"),
    cookie("ok", "valid for the host 127.0.0.1", AT, APP),
    cookie(
        "problem",
        "valid for id.example.com, so they never reach app.example.com … -> set cookies.domain to example.com",
        ELSEWHERE,
        EXAMPLE,
    ),
    cookie(
        "problem",
        "valid for eu.example.com … -> set cookies.domain to example.com",
        "https://id.eu.example.com",
        "https://app.us.example.com",
        domain="eu.example.com",
    ),
    cookie("problem", "-> serve the application and Kratos on one host", "https://id.example.net", EXAMPLE),
    cookie("problem", "browsers reject them", ELSEWHERE, EXAMPLE, domain="example.net"),
    cookie(
        "problem", "for the path /.ory, so they never reach /shop", AT, "http://127.0.0.1:8000/shop", path="/.ory"
    ),
    row(
        "cookie_domain notice",
        f"browsers reject them, unless {APP}/.ory is KratosProxy … without KratosProxy: remove cookies.domain",
        {"cookie_domain": "kratos.internal"},
        PROXIED,
    ),
    cookie("ok", "reach 127.0.0.1", AT, "http://127.0.0.1:8000/shop", path="/shop"),
    cookie("notice", "only some browsers send them to 127.0.0.1", AT, APP, secure=True),
    cookie("problem", "browsers do not send them", "http://example.com:4433", "http://example.com", secure=True),
    cookie("ok", "host example.com", "https://example.com:4433", "https://example.com", secure=True),
    cookie("problem", "SameSite=None without Secure", AT, APP, same_site="None"),
    cookie("notice", "SameSite=Strict", AT, APP, same_site="Strict"),
    row("cookie_domain skipped", "sets no cookie (status 404)", proxy=replacing(LOGIN, 404)),
]


@pytest.mark.parametrize(("expected", "texts", "arguments", "keywords"), ROWS)
def test_check_reports_finding(expected: str, texts: str, arguments: Any, keywords: Any) -> None:
    assert_finding(expected, texts, arguments, keywords)


@pytest.mark.parametrize("base", [AT, f"{APP}/.ory"])
def test_page_below_the_proxy_is_a_problem(base: str) -> None:
    """`KratosProxy` serves the API, and no pages."""
    url, page = run_check("base_url", setup({"ui_url": f"{base}/ui"}, PROXIED))

    assert url.level == "ok"
    assert (page.level, page.message) == (
        "problem",
        f"Kratos' login flow leads to {base}/ui/login, below {base}: KratosProxy serves no pages",
    )
    assert f"mount FlowPages in the application, at {APP}/auth for example" in page.fix


@pytest.mark.parametrize("login_url", [None, f"{APP}/auth"])
def test_pages_are_checked_only_with_a_login_url(login_url: str | None) -> None:
    findings = run_all(setup(MOUNTED, {"login_url": login_url}))

    assert ("pages" in findings) is (login_url is not None)
