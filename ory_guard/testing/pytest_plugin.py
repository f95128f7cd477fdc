"""Pytest fixtures: a fake Kratos and logged-in users.

```python
def test_vault_requires_a_second_factor(app, fake_kratos, as_user):
    client = as_user(TestClient(app), aal="aal2")
    assert client.get("/vault").status_code == 200
```

Connect the guard of the application to the fake:
`OryGuard(settings, transport=httpx2.ASGITransport(app=fake_kratos.app))`.
The plugin imports the fake only when a test requests a fixture.
"""

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from ory_guard.testing import FakeKratos, FakeKratosSettings, SignedIn

__all__ = ["as_user", "fake_kratos", "fake_kratos_settings", "ory_user"]


class _Cookies(Protocol):
    def set(self, name: str, value: str) -> None: ...

    def delete(self, name: str) -> None: ...


class _Client(Protocol):
    @property
    def cookies(self) -> _Cookies: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...


ClientT = TypeVar("ClientT", bound=_Client)


class OryUser:
    """Creates identities with sessions; the type of the `ory_user` fixture.

    Args:
        fake: The fake Kratos that stores them.
    """

    def __init__(self, fake: "FakeKratos") -> None:
        self._fake = fake

    def __call__(
        self,
        *,
        aal: Literal["aal1", "aal2"] = "aal1",
        verified: bool = True,
        traits: Mapping[str, Any] | None = None,
        age: float = 0.0,
        **properties: Any,
    ) -> "SignedIn":
        """Add an identity and create a session for it.

        Args:
            aal: The authenticator assurance level of the session.
            verified: Whether the addresses of the identity are verified.
            traits: The traits; a new email address by default.
            age: The number of seconds since the login.
            properties: Further arguments of `FakeKratos.add_identity`.
        """
        identity = self._fake.add_identity(traits=traits, verified=verified, **properties)
        return self._fake.sign_in(identity, aal=aal, age=age)


class AsUser:
    """Adds a session to a test client; the type of the `as_user` fixture.

    Args:
        ory_user: Creates the identity and its session.
    """

    def __init__(self, ory_user: OryUser) -> None:
        self._ory_user = ory_user

    def __call__(
        self,
        client: ClientT,
        *,
        present: Literal["cookie", "token"] = "cookie",
        user: "SignedIn | None" = None,
        origin: str | None = None,
        **properties: Any,
    ) -> ClientT:
        """Add a session to a test client and return the client; the session replaces that of an earlier call.

        With a cookie, a `TestClient` opens websockets with the header `Origin`, as a browser does.

        Args:
            client: A Starlette `TestClient` or an httpx2 client.
            present: Whether to send the session as the session cookie or as `X-Session-Token`.
            user: The session to use; a new user by default.
            origin: The `Origin` of websockets; by default the origin of the client's `base_url`.
            properties: Arguments of `ory_user` for the new user.
        """
        signed_in = user or self._ory_user(**properties)
        _remove_session(client, signed_in)
        if present == "token":
            client.headers.update(signed_in.headers)
        else:
            client.cookies.set(signed_in.cookie_name, signed_in.cookie)
            if hasattr(client, "websocket_connect"):
                _send_origin(client, origin)
        return client


def _remove_session(client: _Client, signed_in: "SignedIn") -> None:
    """Remove the credentials of an earlier user, also a cookie that a response has set again."""
    for name in signed_in.headers:
        client.headers.pop(name, None)
    client.cookies.delete(signed_in.cookie_name)


def _send_origin(client: Any, origin: str | None) -> None:
    """Send `Origin` when a client opens a websocket, unless the client or the call has this header."""
    connect = type(client).websocket_connect
    default = origin or str(client.base_url.copy_with(raw_path=b"/")).rstrip("/")

    def websocket_connect(url: str, *arguments: Any, **options: Any) -> Any:
        headers = dict(options.pop("headers", None) or {})
        if not any(name.lower() == "origin" for name in (*headers, *client.headers)):
            headers["origin"] = default
        return connect(client, url, *arguments, headers=headers, **options)

    client.websocket_connect = websocket_connect


@pytest.fixture
def fake_kratos_settings() -> "FakeKratosSettings | None":
    """The settings of `fake_kratos`; override this fixture to change them."""
    return None


@pytest.fixture
def fake_kratos(request: pytest.FixtureRequest, fake_kratos_settings: "FakeKratosSettings | None") -> "FakeKratos":
    """A fake Kratos for this test; the trio backend of an anyio test is skipped."""
    _skip_trio(request)
    from ory_guard.testing import FakeKratos  # noqa: PLC0415 - a plugin is loaded before coverage begins

    return FakeKratos(fake_kratos_settings)


def _skip_trio(request: pytest.FixtureRequest) -> None:
    if "anyio_backend" in request.fixturenames:
        backend = request.getfixturevalue("anyio_backend")
        if "trio" in (backend, backend[0]):  # a name, or a name and options
            pytest.skip("ory_guard supports asyncio only: return 'asyncio' from the fixture anyio_backend")


@pytest.fixture
def ory_user(fake_kratos: "FakeKratos") -> OryUser:
    """Creates users in `fake_kratos`: `ory_user(aal="aal2")` returns a session with its token and cookie."""
    return OryUser(fake_kratos)


@pytest.fixture
def as_user(ory_user: OryUser) -> AsUser:
    """Logs in a test client: `as_user(TestClient(app), aal="aal2").get("/vault")`."""
    return AsUser(ory_user)
