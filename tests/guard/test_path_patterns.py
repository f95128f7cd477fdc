"""Path patterns of `exempt_paths` and of `SessionRequiredMiddleware`: exact paths and prefixes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from support.applications import public, reply
from support.asgi_calls import call
from support.guard_bench import SESSION_TOKEN, Bench

from ory_guard import OrySessionMiddleware
from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.path_patterns import PathPatterns, check_path_pattern, is_ambiguous_path, paths_of_kratos
from ory_guard.starlette import SessionRequiredMiddleware

pytestmark = pytest.mark.anyio

PATTERNS = ("/health", "/static/*", "/a/b/*")
COVERED = [
    "/health",
    "/static/",
    "/static/app.css",
    "/static/a/b.c",
    "/static/...",
    "/static/.well-known",
    "/a/b/c d",
    "/static/ä",
]
NOT_COVERED = [
    "/",
    "",
    "/healthy",
    "/health/",
    "/static",
    "/static-x/app.css",
    "/STATIC/app.css",
    "/x/static/app.css",
    "/a/bc",
    "/static/..",
    "/static/../admin",
    "/static/x/../../admin",
    "/static/.",
    "/static/./x",
    "/static//x",
    "//static/x",
    "/static/\\x",
    "/static/..\\admin",
    "/static/%2e%2e/admin",
    "/static/x;y",
    "/static/..;/admin",
    "/static/x\n",
    "/static/\0",
    "/static/\x7f",
    "/static/\x85",
]


@pytest.mark.parametrize("path", COVERED)
def test_patterns_contain_exact_paths_and_paths_with_a_prefix(path: str) -> None:
    assert path in PathPatterns(PATTERNS)
    assert not is_ambiguous_path(path)


@pytest.mark.parametrize("path", NOT_COVERED)
def test_patterns_do_not_contain_other_or_ambiguous_paths(path: str) -> None:
    assert path not in PathPatterns(PATTERNS)


@pytest.mark.parametrize("path", ["/%41", "/a;b", "/a//b", "/../x", "/a\\b"])
def test_exact_path_may_be_ambiguous(path: str) -> None:
    """An exact path matches only itself, so it needs no normalization."""
    assert is_ambiguous_path(path)
    assert path in PathPatterns((path,))


@pytest.mark.parametrize(
    "pattern",
    [
        *("*", "/*", "//*", "/static*", "/sta*tic/*", "/*/static", "/*/*", "static/*", "/static/**"),
        *("/static/?*", "/static/#/*", "/static/../*", "/./*", "/a//*", "/a\\b/*", "/%41/*", "/a;b/*", "/a\n/*"),
        *("health", "", "/health?full", "/health#top", "/he*lth"),
    ],
)
def test_invalid_patterns_are_rejected(pattern: str) -> None:
    with pytest.raises(ValueError, match="must be a") as caught:
        check_path_pattern(pattern)

    for_any_path = "must be a decoded path that starts with /, or a prefix such as /static/*"
    for_prefixes = (
        "must be a prefix such as /static/*: at least one segment and a trailing /*, without dot segments, "
        "//, \\, %, ; and control characters"
    )
    assert str(caught.value) in (f"{pattern!r} {for_any_path}", f"{pattern!r} {for_prefixes}")


@pytest.mark.parametrize(
    ("app_url", "kratos_url", "paths"),
    [
        ("https://app.example.com", "https://app.example.com/.ory", ("/.ory/*",)),
        ("https://example.com/app", "https://example.com/app/.ory", ("/.ory/*", "/app/.ory/*")),
        ("https://app.example.com", "https://app.example.com/a;b", ()),
        ("https://app.example.com", "https://id.example.com/.ory", ()),
        (None, "https://app.example.com/.ory", ()),
    ],
)
def test_paths_of_a_kratos_below_the_application(
    app_url: str | None, kratos_url: str, paths: tuple[str, ...]
) -> None:
    assert paths_of_kratos(app_url, kratos_url) == paths


SEGMENTS = st.sampled_from(["static", "..", ".", "", "a", "admin", "%2e%2e", ";", "\\", "x\0"])


@given(st.lists(SEGMENTS, max_size=6).map(lambda segments: "/static/" + "/".join(segments)))
def test_prefix_contains_only_paths_that_every_parser_reads_alike(path: str) -> None:
    segments = path.split("/")
    is_plain = "" not in segments[1:-1] and not {".", "..", "%2e%2e", ";", "\\", "x\0"} & {*segments}

    assert (path in PathPatterns(["/static/*"])) is is_plain


@pytest.mark.parametrize(
    ("path", "calls"), [("/health", 0), ("/health/", 1), ("/static/app.css", 0), ("/static/../admin", 1)]
)
async def test_middleware_does_not_check_the_session_on_an_exempt_path(path: str, calls: int) -> None:
    bench = Bench(exempt_paths=PATTERNS)

    response = await call(public(bench.guard), path, headers=[SESSION_TOKEN])

    assert response.json["outcome"] == ("Authenticated" if calls else "Anonymous")
    assert bench.calls == calls


@pytest.mark.parametrize(("path", "status"), [("/static/app.css", 200), ("/static/../admin", 401), ("/", 401)])
async def test_middleware_does_not_require_a_session_on_a_public_prefix(path: str, status: int) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await reply(send, None)

    protected = OrySessionMiddleware(SessionRequiredMiddleware(app, public=PATTERNS), guard=Bench().guard)

    assert (await call(protected, path)).status == status


def test_middleware_rejects_an_invalid_public_path() -> None:
    with pytest.raises(ConfigurationError, match=r"^SessionRequiredMiddleware: public: '/\*' must be a prefix"):
        SessionRequiredMiddleware(Starlette(), public=["/health", "/*"])
