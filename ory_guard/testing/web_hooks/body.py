"""The body of a web hook: a Jsonnet function of `ctx`, as Kratos evaluates it."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from rjsonnet import evaluate_snippet

__all__ = ["BodyError", "CanceledError", "render_body"]

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_CANCELED: Final = "runtime error: cancel"


class CanceledError(Exception):
    """The template raised `error 'cancel'`: no request is sent."""


class BodyError(Exception):
    """The body cannot be built."""


def render_body(template: str | None, context: Mapping[str, Any], content_type: str) -> bytes:
    """Evaluate a template.

    Args:
        template: The Jsonnet source, a function of `ctx`.
        context: The value of `ctx`.
        content_type: The content type of the request: JSON or a form.

    Raises:
        CanceledError: If the template cancels the request.
        BodyError: If there is no template, its evaluation fails, or the content type is another one.
    """
    if template is None:
        raise BodyError("got empty template path for request with body")
    if content_type not in {JSON, FORM}:
        raise BodyError("invalid config - incorrect Content-Type for request with body")
    try:
        text: str = evaluate_snippet(
            "body.jsonnet", template, tla_codes={"ctx": json.dumps(context)}, import_callback=_reject_import
        )
    except RuntimeError as error:
        if str(error).startswith(_CANCELED):
            raise CanceledError from error
        raise BodyError(str(error)) from error
    if content_type == JSON:
        return text.encode()
    fields = json.loads(text)
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise BodyError("the body of a form must be an object of strings")
    return urlencode(sorted(fields.items())).encode()


def _reject_import(folder: str, name: str) -> tuple[str, str | None]:
    raise RuntimeError(f"import of {name} in {folder}: web hooks cannot import files")
