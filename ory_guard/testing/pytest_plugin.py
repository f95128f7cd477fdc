"""Pytest fixtures: a Kratos without a server, and people who are signed in to it.

```python
def test_the_vault_opens_for_two_factors(app, fake_kratos, as_user):
    client = as_user(TestClient(app), aal="aal2")
    assert client.get("/vault").status_code == 200
```

The application's guard asks the fake: `OryGuard(settings, transport=httpx2.ASGITransport(app=fake_kratos.app))`.
Nothing of ory_guard's testing kit is imported before a test asks for a fixture.
"""

from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import pytest

if TYPE_CHECKING:
    from ory_guard.testing import FakeKratos, FakeKratosSettings, SignedIn

__all__ = ["as_user", "fake_kratos", "fake_kratos_settings", "ory_user"]


class _Cookies(Protocol):
    def set(self, name: str, value: str) -> None: ...


class _Client(Protocol):
    @property
    def cookies(self) -> _Cookies: ...

    @property
    def headers(self) -> MutableMapping[str, str]: ...


ClientT = TypeVar("ClientT", bound=_Client)


class OryUser:
    """Adds people to a fake Kratos and signs them in; the fixture `ory_user`.

    Args:
        fake: Where they live.
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
        """Add somebody and begin a session of theirs.

        Args:
            aal: How strong the session is.
            verified: Whether their addresses are verified.
            traits: Their traits; by default a new e-mail address.
            age: How many seconds ago they signed in.
            properties: Whatever else `FakeKratos.add_identity` takes.
        """
        identity = self._fake.add_identity(traits=traits, verified=verified, **properties)
        return self._fake.sign_in(identity, aal=aal, age=age)


class AsUser:
    """Signs a test client in; the fixture `as_user`.

    Args:
        ory_user: Makes the people.
    """

    def __init__(self, ory_user: OryUser) -> None:
        self._ory_user = ory_user

    def __call__(
        self,
        client: ClientT,
        *,
        present: Literal["cookie", "token"] = "cookie",
        user: "SignedIn | None" = None,
        **properties: Any,
    ) -> ClientT:
        """Give a client the session of somebody and return the client.

        Args:
            client: A Starlette `TestClient` or an httpx2 client.
            present: Whether the session goes out as the session cookie or as `X-Session-Token`.
            user: Whose session; by default somebody new.
            properties: What `ory_user` takes, for somebody new.
        """
        signed_in = user or self._ory_user(**properties)
        if present == "token":
            client.headers.update(signed_in.headers)
        else:
            client.cookies.set(signed_in.cookie_name, signed_in.cookie)
        return client


@pytest.fixture
def fake_kratos_settings() -> "FakeKratosSettings | None":
    """How `fake_kratos` is set up; override it in a conftest to set it up otherwise."""
    return None


@pytest.fixture
def fake_kratos(fake_kratos_settings: "FakeKratosSettings | None") -> "FakeKratos":
    """A Kratos of the test's own, without a server."""
    from ory_guard.testing import FakeKratos  # noqa: PLC0415 - a plugin is loaded before coverage begins

    return FakeKratos(fake_kratos_settings)


@pytest.fixture
def ory_user(fake_kratos: "FakeKratos") -> OryUser:
    """Adds people to `fake_kratos` and signs them in: `ory_user(aal="aal2")` has a token and a cookie."""
    return OryUser(fake_kratos)


@pytest.fixture
def as_user(ory_user: OryUser) -> AsUser:
    """Signs a test client in: `as_user(TestClient(app), aal="aal2").get("/vault")`."""
    return AsUser(ory_user)
