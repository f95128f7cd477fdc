"""Decode a successful response into the return type of its operation."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ValidationError

from ory_guard.client.models.results import SessionsList, SessionsPage
from ory_guard.kratos.http_response import HTTPResponse

__all__ = ["Decoder", "decode_none", "decode_sessions_page", "decode_text", "decoder_for", "model_decoder"]

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

Decoder = Callable[[HTTPResponse], T]
"""Decodes a response, or raises a `ValueError` that names the problem and quotes nothing from the response."""

_LINK: Final = re.compile(r'<([^<>]*)>\s*;\s*rel="?(next|prev)\b')


def model_decoder(model: type[ModelT]) -> Decoder[ModelT]:
    """Return a decoder of JSON bodies for a model."""

    def decode(response: HTTPResponse) -> ModelT:
        if not response.is_json():
            raise ValueError("the response is not JSON; check that base_url is Kratos' public API")
        try:
            return model.model_validate_json(response.body)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
        fields = sorted({".".join(map(str, problem["loc"])) or "body" for problem in problems})
        raise ValueError(f"the response is not a valid {model.__name__}: check {', '.join(fields)}")

    return decode


def decode_text(response: HTTPResponse) -> str:
    """Return the body as UTF-8 text."""
    return response.body.decode("utf-8", errors="replace")


def decode_none(_response: HTTPResponse) -> None:
    """Ignore the body: the status is the result."""


def decode_sessions_page(response: HTTPResponse) -> SessionsPage:
    """Return the sessions, the page tokens of the `Link` header (RFC 8288), and the total."""
    links = b",".join(response.values(b"link")).decode("latin-1")
    tokens = {relation: _page_token(target) for target, relation in _LINK.findall(links)}
    total = response.header(b"x-total-count") or b""
    return SessionsPage(
        sessions=_decode_sessions(response).root,
        next_page_token=tokens.get("next"),
        previous_page_token=tokens.get("prev"),
        total=int(total[:18]) if total.isdigit() else None,
    )


def decoder_for(return_type: Any) -> Decoder[Any]:
    """Return the decoder for an operation's return type: a model, `SessionsPage`, `str` or None."""
    special: dict[Any, Decoder[Any]] = {
        None: decode_none,
        str: decode_text,
        SessionsPage: decode_sessions_page,
    }
    return special.get(return_type) or model_decoder(return_type)


_decode_sessions = model_decoder(SessionsList)


def _page_token(target: str) -> str | None:
    return next(iter(parse_qs(urlsplit(target).query).get("page_token", ())), None)
