"""The pytest plugin, tested by running pytest within pytest."""

import pytest

pytest_plugins = ["pytester"]

APP = """
    import httpx2
    import pytest
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route, WebSocketRoute

    from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware
    from ory_guard.starlette import session_required

    pytest_plugins = ["ory_guard.testing.pytest_plugin"]

    async def me(request):
        session = request.state.ory_session
        if session is None:
            return JSONResponse(None)
        aal, email = session.authenticator_assurance_level, session.identity.traits["email"]
        return JSONResponse({"aal": aal, "email": email})

    @session_required
    async def live(websocket):
        await websocket.accept()
        await websocket.send_text(websocket.state.ory_session.identity.traits["email"])
        await websocket.close()

    @pytest.fixture
    def app(fake_kratos):
        settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url="http://testserver")
        guard = OryGuard(settings, transport=httpx2.ASGITransport(app=fake_kratos.app))
        app = Starlette(routes=[Route("/me", me), WebSocketRoute("/live", live)])
        app.add_middleware(OrySessionMiddleware, guard=guard)
        return app
"""


@pytest.fixture
def inner(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project whose application is protected by a guard that uses the fake."""
    pytester.makeconftest(APP)
    pytester.makepyprojecttoml("[tool.pytest.ini_options]\n")
    return pytester


def run(inner: pytest.Pytester, passed: int) -> None:
    """Run the inner tests in this process, so that coverage includes the plugin."""
    inner.runpytest_inprocess("-q").assert_outcomes(passed=passed)


def test_as_user_logs_in_a_test_client(inner: pytest.Pytester) -> None:
    """The session is presented as a cookie or as a token."""
    inner.makepyfile(
        """
        import pytest
        from starlette.testclient import TestClient

        @pytest.mark.parametrize("present", ["cookie", "token"])
        def test_me(app, as_user, fake_kratos, present):
            client = as_user(TestClient(app), present=present, aal="aal2", traits={"email": "ada@example.test"})
            assert client.get("/me").json() == {"aal": "aal2", "email": "ada@example.test"}
            assert client.get("/me").status_code == 200
            fake_kratos.assert_whoami_calls(1)

        def test_anonymous(app):
            assert TestClient(app).get("/me").json() is None
        """
    )
    run(inner, 3)


def test_as_user_accepts_a_session_of_ory_user(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import asyncio
        import httpx2

        def test_me(app, as_user, ory_user, fake_kratos):
            ada = ory_user(verified=False, age=60, email="ada@example.test")
            fake_kratos.extend(ada.session)

            async def get_me():
                transport = httpx2.ASGITransport(app=app)
                async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
                    with_cookie = await as_user(client, user=ada).get("/me")
                    assert with_cookie.json()["email"] == "ada@example.test"
                    client.cookies.clear()
                    return await as_user(client, user=ada, present="token").get("/me")

            assert ada.session.identity.verifiable_addresses[0].verified is False
            assert asyncio.run(get_me()).json()["email"] == "ada@example.test"
        """
    )
    run(inner, 1)


def test_session_replaces_that_of_an_earlier_call(inner: pytest.Pytester) -> None:
    """Neither a token nor a cookie of the earlier user is sent again, even if a response has renewed the cookie."""
    inner.makepyfile(
        """
        import pytest
        from starlette.testclient import TestClient

        @pytest.mark.parametrize("first", ["cookie", "token"])
        @pytest.mark.parametrize("second", ["cookie", "token"])
        def test_me(app, as_user, ory_user, first, second):
            client, ada = TestClient(app), ory_user(traits={"email": "ada@example.test"})
            as_user(client, user=ada, present=first)
            client.cookies.set(ada.cookie_name, ada.cookie, domain="testserver.local")
            as_user(client, present=second, traits={"email": "eve@example.test"})
            assert client.get("/me").json()["email"] == "eve@example.test"
            assert client.headers.get("x-session-token") != ada.token and ada.cookie not in client.cookies.values()
        """
    )

    run(inner, passed=4)


def test_as_user_opens_websockets_with_the_origin_of_the_client(inner: pytest.Pytester) -> None:
    """An `Origin` of the call, of the client or of `as_user` takes precedence; a token does not need one."""
    inner.makepyfile(
        """
        import pytest
        from starlette.testclient import TestClient, WebSocketDenialResponse

        OTHER = {"Origin": "https://evil.test"}

        @pytest.mark.parametrize(
            ("client", "user", "call", "accepted"),
            [
                ({}, {}, {}, True),
                ({"base_url": "http://testserver/x"}, {}, {}, True),
                ({}, {"present": "token"}, {}, True),
                ({}, {}, {"headers": {"x-other": "1"}, "subprotocols": ["chat"]}, True),
                ({"base_url": "http://other"}, {"origin": "http://testserver"}, {}, True),
                ({"base_url": "http://other"}, {}, {"headers": [("origin", "http://testserver")]}, True),
                ({"base_url": "http://other"}, {}, {}, False),
                ({}, {}, {"headers": OTHER}, False),
                ({"headers": OTHER}, {}, {}, False),
            ],
        )
        def test_live(app, as_user, client, user, call, accepted):
            logged_in = as_user(as_user(TestClient(app, **client), **user), email="ada@example.test", **user)
            if accepted:
                with logged_in.websocket_connect("/live", **call) as websocket:
                    assert websocket.receive_text() == "ada@example.test"
            else:
                with pytest.raises(WebSocketDenialResponse), logged_in.websocket_connect("/live", **call):
                    pass
        """
    )
    run(inner, 9)


@pytest.mark.parametrize("trio", ["'trio'", "('trio', {'strict_exception_groups': False})"])
def test_trio_backend_is_skipped_with_a_reason(inner: pytest.Pytester, trio: str) -> None:
    inner.makepyfile(
        f"""
        import pytest

        @pytest.fixture(params=["asyncio", ("asyncio", {{"use_uvloop": False}}), {trio}])
        def anyio_backend(request):
            return request.param

        @pytest.mark.anyio
        async def test_me(app):
            pass
        """
    )
    result = inner.runpytest_inprocess("-q", "-rs")

    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["*ory_guard supports asyncio only: return 'asyncio' from the fixture anyio_backend"]
    )


def test_fake_kratos_settings_can_be_overridden(inner: pytest.Pytester) -> None:
    inner.makepyfile(
        """
        import pytest
        from ory_guard.testing import FakeKratosSettings

        @pytest.fixture
        def fake_kratos_settings():
            return FakeKratosSettings(cookie_name="acme_session")

        def test_cookie_name(ory_user):
            assert ory_user().cookies.keys() == {"acme_session"}
        """
    )
    run(inner, 1)


def test_fake_is_imported_by_the_first_fixture(inner: pytest.Pytester) -> None:
    """A test run without these fixtures imports neither the fake nor its dependencies."""
    inner.makeconftest('pytest_plugins = ["ory_guard.testing.pytest_plugin"]')
    inner.makepyfile(
        """
        import sys

        def test_without_fixture():
            loaded = sys.modules.keys()
            assert not {"ory_guard.testing.fake_kratos", "pyotp", "fido2", "segno", "joserfc"} & loaded

        def test_with_fixture(fake_kratos):
            assert "ory_guard.testing.fake_kratos" in sys.modules
        """
    )
    inner.runpytest_subprocess("-q").assert_outcomes(passed=2)
