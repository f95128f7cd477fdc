"""The examples of the how-to pages for other frameworks and applications require a session."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgi_lifespan import LifespanManager
from support.asgi_calls import NAVIGATE, Application, call
from support.doc_pages import CHECKED_ELSEWHERE, NEEDS_FRAMEWORKS, ROOT, run_page
from support.typed_examples import check_with_mypy, check_with_pyright, write_examples

from frameworks.requests_table import OURS
from ory_guard.testing import FakeKratos, SignedIn

pytestmark = [pytest.mark.anyio, pytest.mark.frameworks]

HOST = (b"host", b"127.0.0.1:8000")
EXAMPLES = [
    ("any-asgi-application", "app", "/"),
    ("frameworks", "litestar_app", "/me"),
    ("frameworks", "quart_app", "/me"),
    ("frameworks", "blacksheep_app", "/me"),
    ("frameworks", "falcon_app", "/me"),
    ("aws-lambda", "app", "/me"),
    ("mounted-applications", "gradio_site", "/ui/"),
    ("mounted-applications", "nicegui_site", "/profile"),
    ("mounted-applications", "admin_site", "/admin/"),
    ("mounted-applications", "admin_site", "/tables/"),
    ("mounted-applications", "datasette_site", "/data/"),
    ("mounted-applications", "fasthtml_site", "/"),
]
WITHOUT_LIFESPAN = {"app", "quart_app", "falcon_app", "litestar_app"}


Run = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def fake() -> FakeKratos:
    """The Kratos of the examples."""
    return FakeKratos()


@pytest.fixture(scope="module")
def run(fake: FakeKratos, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a page once, because NiceGUI has only one application in a process; return the names of its blocks."""
    return functools.cache(lambda page: run_page(f"docs/how-to/{page}.md", tmp_path_factory.mktemp(page), fake))


@pytest.fixture(scope="module")
def user(fake: FakeKratos) -> SignedIn:
    """A user with the role of the admin panel."""
    return fake.sign_in(fake.add_identity(metadata_public={"roles": ["admin"]}))


@pytest.mark.parametrize("page", sorted(NEEDS_FRAMEWORKS))
def test_the_code_on_a_page_runs(page: str, run: Run) -> None:
    assert run(Path(page).stem)["guard"]


@pytest.mark.timeout(600)
def test_examples_pass_mypy(tmp_path: Path) -> None:
    """Django, Datasette, FastHTML and Socket.IO are not typed, and Chainlit is not installed."""
    write_examples(map(ROOT.joinpath, CHECKED_ELSEWHERE), tmp_path)

    check_with_mypy(tmp_path, "ignore_missing_imports = True", "disallow_untyped_decorators = False")


@pytest.mark.timeout(600)
def test_examples_pass_pyright(tmp_path: Path) -> None:
    """The example for Chainlit has a test of its own."""
    write_examples(map(ROOT.joinpath, NEEDS_FRAMEWORKS), tmp_path)

    check_with_pyright(tmp_path)


def token(user: SignedIn) -> tuple[bytes, bytes]:
    """Return the header with a session token."""
    return (b"x-session-token", user.token.encode())


@pytest.mark.parametrize("example", EXAMPLES, ids="-".join)
async def test_example_requires_a_session(example: tuple[str, str, str], user: SignedIn, run: Run) -> None:
    page, name, path = example
    app = run(page)[name]

    async def statuses() -> list[int]:
        every = [HOST], [HOST, NAVIGATE], [HOST, token(user)]
        return [(await call(app, path, headers=headers)).status for headers in every]

    if name in WITHOUT_LIFESPAN:
        found = await statuses()
    else:
        async with LifespanManager(app):
            found = await statuses()

    assert found == [401, 303, 200]


async def test_admin_panels_require_the_role(fake: FakeKratos, run: Run) -> None:
    app = run("mounted-applications")["admin_site"]
    headers = [HOST, token(fake.sign_in(fake.add_identity()))]

    assert [(await call(app, path, headers=headers)).status for path in ("/admin/", "/tables/")] == [403, 403]


async def send_json(app: Application, path: str, body: Any, *headers: tuple[bytes, bytes]) -> tuple[int, str]:
    """POST a JSON document, and return the status and the body."""
    content = json.dumps(body).encode()
    common = [
        HOST,
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"content-length", str(len(content)).encode()),
    ]
    answered = await call(app, path, method="POST", headers=[*common, *headers], parts=[content])
    return answered.status, answered.body.decode()


async def test_mcp_tool_has_the_session(user: SignedIn, run: Run) -> None:
    """The challenge of the 401 names the metadata of the resource."""
    app = run("mounted-applications")["mcp_site"]
    called = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "reports", "arguments": {}}}

    async with LifespanManager(app):
        refused = await call(app, "/mcp/", headers=[HOST])
        status, body = await send_json(app, "/mcp/", called, (b"authorization", b"Bearer " + user.token.encode()))

    challenge = (refused.header(b"www-authenticate") or b"").decode()
    assert refused.status == 401
    assert 'resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"' in challenge
    assert status == 200
    assert f"the reports of {user.session.identity.id}" in body


async def test_gradio_function_has_the_session(user: SignedIn, run: Run) -> None:
    """The function runs after the request of the page, with a request of its own."""
    app = run("mounted-applications")["gradio_site"]

    async with LifespanManager(app):
        status, body = await send_json(app, "/ui/gradio_api/run/greet", {"data": ["Ada"]}, token(user), OURS)
        refused, _ = await send_json(app, "/ui/gradio_api/run/greet", {"data": ["Ada"]})

    assert (status, refused) == (200, 401)
    assert f"Ada is {user.session.identity.id}" in body


@pytest.mark.parametrize("name", ["app", "ariadne_app"])
async def test_graphql_example_has_extensions_and_logs_no_refusal(
    name: str, user: SignedIn, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    page = run("graphql")

    _, refused = await send_json(page[name], "/", {"query": "{ me }"})
    _, answered = await send_json(page[name], "/", {"query": "{ me }"}, token(user))

    assert json.loads(refused)["errors"][0]["extensions"]["code"] == "session_inactive"
    assert json.loads(answered)["data"] == {"me": user.session.identity.id}
    assert [record for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("name", ["app", "ariadne_app"])
async def test_graphql_example_logs_a_defect(
    name: str, run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = run("graphql")
    monkeypatch.setitem(page, "guard", None)

    await send_json(page[name], "/", {"query": "{ me }"})

    assert "NoneType" in caplog.text


async def test_background_job_gets_ids(user: SignedIn, run: Run) -> None:
    page = run("background-jobs")

    answered = await call(page["app"], "/reports", method="POST", headers=[HOST, token(user)])

    assert answered.status == 200
    ids = {"identity_id": user.session.identity.id, "requested_by": user.session.id}
    assert page["queue"] == [("create_report", ids)]
