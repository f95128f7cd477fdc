"""Sessions that are parsed when they are first read."""

import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Final

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.scripted_kratos import IDENTITY_ID, SESSION_ID, session_body

from ory_guard import Session
from ory_guard.models import deferred_session
from ory_guard.models.deferred_session import DeferredSession, defer_session, ids_of

BODY: Final = json.dumps(session_body(new_key={"list": [1]})).encode()
PARSED: Final[Session[Any]] = Session.model_validate_json(BODY)


class Holder(BaseModel):
    """A model of an application that contains a session."""

    session: Session


def deferred() -> Session[Any]:
    """Return a session that was not read."""
    return defer_session(Session.model_validate_json, BODY, SESSION_ID, IDENTITY_ID)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda session: session.identity.id, id="field"),
        pytest.param(lambda session: session.log_id, id="property"),
        pytest.param(lambda session: session.new_key, id="unknown key"),
        pytest.param(lambda session: session.model_fields_set, id="names of the fields"),
        pytest.param(lambda session: session == PARSED, id="equal"),
        pytest.param(PARSED.__eq__, id="equal, reflected"),
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(dict, id="iteration"),
        pytest.param(vars, id="attributes"),
        pytest.param(lambda session: session.__class__, id="class"),
        pytest.param(lambda session: session.model_dump(), id="dump"),
        pytest.param(lambda session: session.model_dump_json(), id="JSON"),
        pytest.param(
            lambda session: Holder(session=session).model_dump_json(), id="JSON of a model that contains it"
        ),
        pytest.param(TypeAdapter(object).dump_json, id="JSON without a model"),
        pytest.param(copy.copy, id="copy"),
        pytest.param(copy.deepcopy, id="deep copy"),
        pytest.param(lambda session: session.model_copy(update={"id": "b"}), id="changed copy"),
        pytest.param(lambda session: pickle.loads(pickle.dumps(session)), id="pickle"),
    ],
)
def test_reading_a_deferred_session_makes_it_a_session(read: Callable[[Session[Any]], Any]) -> None:
    """Copies are sessions, too."""
    session = deferred()

    assert type(session) is DeferredSession
    value, expected = read(session), read(PARSED)

    assert (value, type(value)) == (expected, type(expected))
    assert type(session) is Session
    assert session == PARSED


def test_deferred_session_is_a_session_for_the_type_system() -> None:
    """Neither that nor its ids parse it."""
    session = deferred()

    assert isinstance(session, Session)
    assert ids_of(session) == (SESSION_ID, IDENTITY_ID) == ids_of(PARSED)
    assert type(session) is DeferredSession
    assert Holder(session=session).session is session


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda session: setattr(session, "id", "b"), ValidationError),
        (lambda session: delattr(session, "id"), ValidationError),
        (lambda session: session.missing, AttributeError),
        (lambda session: session["id"], TypeError),
        (hash, TypeError),
    ],
    ids=["set", "delete", "missing", "item", "hash"],
)
def test_errors_are_those_of_a_session(change: Callable[[Session[Any]], Any], error: type[Exception]) -> None:
    """It is immutable, too."""
    texts = set()
    for session in (deferred(), PARSED):
        with pytest.raises(error) as raised:
            change(session)
        texts.add(str(raised.value))

    assert len(texts) == 1


def test_session_is_parsed_once_per_thread() -> None:
    """A synchronous handler runs in a thread; each one gets the whole session."""
    barrier = Barrier(2)

    def parse(body: bytes) -> Session[Any]:
        barrier.wait(10)
        return Session.model_validate_json(body)

    session = defer_session(parse, BODY, SESSION_ID, IDENTITY_ID)
    with ThreadPoolExecutor(2) as pool:
        ids = list(pool.map(lambda _: session.identity.id, range(2)))

    assert ids == [IDENTITY_ID] * 2
    assert session == PARSED
    # A thread that was in between finds it parsed.
    assert DeferredSession.__getattribute__(session, "id") == SESSION_ID  # type: ignore[arg-type] # it is a `Session`


@pytest.mark.parametrize(
    "written",
    ["__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__", "__class__"],
)
def test_thread_that_copies_a_session_while_another_parses_it(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each step, another thread sees a deferred session or a complete one."""
    session, copies = deferred(), []

    def write_and_copy(each: Session[Any], name: str, value: Any) -> None:
        object.__setattr__(each, name, value)
        if name == written:
            monkeypatch.undo()
            copies.append(copy.deepcopy(each))

    monkeypatch.setattr(deferred_session, "_set", write_and_copy)

    assert session == PARSED
    assert copies == [PARSED]
    assert type(copies[0]) is type(session) is Session


def test_ids_of_a_session_that_another_thread_parses_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    session = deferred()

    def read_in_between(each: Session[Any], name: str) -> Any:
        monkeypatch.undo()
        assert each.id == SESSION_ID
        return object.__getattribute__(each, name)

    monkeypatch.setattr(deferred_session, "_get", read_in_between)

    assert ids_of(session) == (SESSION_ID, IDENTITY_ID)


def test_invalid_body_is_an_error() -> None:
    """It can't happen with the checksum; a handler must not see an incomplete session."""
    session = defer_session(lambda _body: None, BODY, SESSION_ID, IDENTITY_ID)

    for _ in range(2):
        with pytest.raises(RuntimeError, match="valid when it was stored"):
            _ = session.active
