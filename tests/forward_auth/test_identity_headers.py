"""The identity headers: values, encoding and names."""

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict
from sub_requests import SIGNED_IN, ForwardBench
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, KratosResponse, session_body, signed_in

from ory_guard.exceptions import ConfigurationError
from ory_guard.forward_auth import DEFAULT_IDENTITY_HEADERS

pytestmark = pytest.mark.anyio


class Traits(BaseModel):
    """Traits with one field."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    email: str


def signed_in_as(**identity: Any) -> KratosResponse:
    """Return the whoami response for a session with these fields of the identity."""
    return signed_in(session_body(identity=identity))


async def header(value: Any, **identity: Any) -> bytes | None:
    """Return the header `X-Value` for a session with these fields of the identity."""
    bench = ForwardBench(signed_in_as(**identity), app={"identity_headers": {"X-Value": value}})
    response = await bench.ask(None, SIGNED_IN)
    assert response.status == 200
    return response.header(b"x-value")


@pytest.mark.parametrize(
    ("trait", "expected"),
    [
        ("ada@example.test", b"ada@example.test"),
        ("Ada Lovelace", b"Ada%20Lovelace"),
        (" ada", b"%20ada"),
        ("Zoë", b"Zo%C3%AB"),
        ("李", b"%E6%9D%8E"),
        ("100%", b"100%25"),
        ("%41", b"%2541"),
        ("a,b", b"a%2Cb"),
        ("a\r\nX-User-Id: admin", b"a%0D%0AX-User-Id:%20admin"),
        ("a\x00b\x7f", b"a%00b%7F"),
        ("\u2028", b"%E2%80%A8"),
        (True, b"true"),
        (False, b"false"),
        (42, b"42"),
        (["admin", "a,b", 7], b"admin,a%2Cb,7"),
        ("", None),
        (None, None),
        (1.5, None),
        ({"a": "b"}, None),
        (["admin", {"a": "b"}], None),
        ("x" * 1_024, b"x" * 1_024),
        ("x" * 1_025, None),
        ("é" * 200, None),
        ("é" * 2_000, None),
        (["x" * 600, "y" * 600], None),
    ],
)
async def test_value_is_ascii_and_never_shortened(trait: Any, expected: bytes | None) -> None:
    assert await header("identity.traits.value", traits={"value": trait}) == expected


async def test_header_that_is_too_long_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    long = signed_in_as(traits={"email": "x" * 2_000})
    bench = ForwardBench(long)

    for _ in range(2):
        response = await bench.ask(None, SIGNED_IN)
        assert response.header(b"x-user-id") == IDENTITY_ID.encode()
    assert [record.getMessage() for record in caplog.records] == [
        "forward_auth.identity_header_too_long name=x-user-email"
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("id", SESSION_ID.encode()),
        ("identity.id", IDENTITY_ID.encode()),
        ("identity.metadata_public.roles", b"editor"),
        ("identity.metadata_public.nothing", None),
        ("identity.traits.email.length", None),
        ("identity.traits", None),
        ("authenticator_assurance_level", b"aal1"),
        (lambda session: session.identity.id.upper(), IDENTITY_ID.upper().encode()),
        (lambda _: "\ud800", b"%ED%A0%80"),
    ],
)
async def test_value_is_a_path_or_a_function(value: Any, expected: bytes | None) -> None:
    assert await header(value, metadata_public={"roles": ["editor"]}) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("identity.traits.email", b"ada@example.test"), ("identity.traits.model_dump", None)],
)
async def test_path_in_a_traits_model(path: str, expected: bytes | None) -> None:
    bench = ForwardBench(
        signed_in_as(traits={"email": "ada@example.test"}),
        traits=Traits,
        app={"identity_headers": {"X-Value": path}},
    )

    assert (await bench.ask(None, SIGNED_IN)).header(b"x-value") == expected


async def test_no_identity_headers() -> None:
    response = await ForwardBench(app={"identity_headers": {}}).ask(None, SIGNED_IN)

    assert [name for name, _ in response.headers if b"user" in name] == []
    assert dict(DEFAULT_IDENTITY_HEADERS) == {
        "X-User-Id": "identity.id",
        "X-User-Email": "identity.traits.email",
    }


@pytest.mark.parametrize(
    "name",
    [
        *("", "X User", "X_User_Id", "X-User:Id", "X-Üser", "-X", "X-", "X-User\r\n"),
        *("Set-Cookie", "Cookie", "Location", "Connection", "Content-Length", "Transfer-Encoding", "Host"),
        *("X-Forwarded-User", "X-Original-URI", "X-Set-Cookie-1", "X-Ory-Guard-Secret", "Authorization", 7),
    ],
)
def test_name_that_is_not_a_header_of_its_own_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"identity_headers: .* is not allowed: use letters"):
        ForwardBench(app={"identity_headers": {name: "identity.id"}})


@pytest.mark.parametrize(
    "value",
    [
        *("", "identity", "identity.", "identity.trait.email", "identity.traits.", "email", "session.id"),
        *("identity.id.hex", "id.hex", "model_dump", "identity.model_dump", 7, None),
    ],
)
def test_value_that_is_not_in_a_session_is_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="of X-User is not in a session: use a path"):
        ForwardBench(app={"identity_headers": {"X-User": value}})
