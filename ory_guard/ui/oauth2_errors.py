"""Errors of an OAuth2 server, which it appends to the URL of the error page (RFC 6749, section 4.1.2.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["OAuth2Error", "oauth2_error"]

_CODE: Final = re.compile(r"[a-z_]{1,40}")
_MAX_DESCRIPTION: Final = 200


@dataclass(frozen=True)
class OAuth2Error:
    """An error of an OAuth2 server.

    Attributes:
        code: The error code, or an empty string if it is malformed.
        description: The server's description as plain text of at most 200 characters. Anyone can write a link with
            a description of their own, so a page must escape it and mark it as a quotation.
    """

    code: str
    description: str


def oauth2_error(query: Mapping[str, str]) -> OAuth2Error | None:
    """Return the error in the query of the error page, or None if it does not contain one."""
    code = query.get("error", "")
    if not code:
        return None
    description = _plain_text(query.get("error_description", ""))
    return OAuth2Error(code if _CODE.fullmatch(code) else "", description)


def _plain_text(text: str) -> str:
    """Return one line without control and formatting characters, such as those that reverse the text direction."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_DESCRIPTION else line[: _MAX_DESCRIPTION - 1] + "…"
