"""How a successful answer becomes what an operation returns."""

import re
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ValidationError

from ory_guard.client.models.results import SessionsList, SessionsPage
from ory_guard.whoami import Answer

__all__ = ["Reader", "as_model", "as_nothing", "as_sessions_page", "as_text"]

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

Reader = Callable[[Answer], T]
"""Reads an answer, or raises a `ValueError` that says what is wrong with it and quotes nothing from it."""

_LINK: Final = re.compile(r'<([^<>]*)>\s*;\s*rel="?(next|prev)\b')


def as_model(model: type[ModelT]) -> Reader[ModelT]:
    """Read the body into a model."""

    def read(answer: Answer) -> ModelT:
        if not answer.is_json():
            raise ValueError("the answer is no JSON; check that base_url is Kratos' public API")
        try:
            return model.model_validate_json(answer.body)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False, include_input=False)
        places = sorted({".".join(map(str, fault["loc"])) or "body" for fault in faults})
        raise ValueError(f"the answer can't be read as {model.__name__} at {', '.join(places)}")

    return read


def as_text(answer: Answer) -> str:
    """Read the body as UTF-8 text."""
    return answer.body.decode("utf-8", errors="replace")


def as_nothing(_answer: Answer) -> None:
    """Read nothing: the status says it all."""


def as_sessions_page(answer: Answer) -> SessionsPage:
    """Read a list of sessions, the tokens of its neighbours from `Link` (RFC 8288), and the total."""
    links = b",".join(value for name, value in answer.headers if name == b"link").decode("latin-1")
    tokens = {relation: _page_token(target) for target, relation in _LINK.findall(links)}
    total = answer.header(b"x-total-count") or b""
    return SessionsPage(
        sessions=_read_sessions(answer).root,
        next_page_token=tokens.get("next"),
        previous_page_token=tokens.get("prev"),
        total=int(total[:18]) if total.isdigit() else None,
    )


_read_sessions = as_model(SessionsList)


def _page_token(target: str) -> str | None:
    return next(iter(parse_qs(urlsplit(target).query).get("page_token", ())), None)
