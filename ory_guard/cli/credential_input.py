"""The credential that a command presents to Kratos, read from where no process list shows it."""

import http.cookiejar
import os
import sys
import warnings
from pathlib import Path

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import COOKIE_VARIABLE, TOKEN_VARIABLE

__all__ = ["Header", "read_credential"]

Header = tuple[bytes, bytes]
"""A request header: its name in lower case, and its value."""


def read_credential(token_file: Path | None, cookie_file: Path | None, cookie_jar: Path | None) -> Header | None:
    """Return the one credential that was given, or None.

    Options win over variables of the environment, and a token over a cookie.

    Raises:
        CommandFailed: Several options were given, or one can't be read.
    """
    given = [option for option in (token_file, cookie_file, cookie_jar) if option is not None]
    if len(given) > 1:
        raise CommandFailed(
            "Kratos looks at one credential only: give one of --token-file, --cookie-file and --cookie-jar",
            ExitCode.USAGE,
        )
    if cookie_jar is not None:
        return b"cookie", _encoded(_read_jar(cookie_jar), cookie_jar)
    if cookie_file is not None:
        return _cookie_header(_read(cookie_file), str(cookie_file))
    if token_file is not None:
        return b"x-session-token", _encoded(_read(token_file), token_file)
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        return b"x-session-token", _encoded(token, TOKEN_VARIABLE)
    if cookie := os.environ.get(COOKIE_VARIABLE, "").strip():
        return _cookie_header(cookie, COOKIE_VARIABLE)
    return None


def _read(path: Path) -> str:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {_reason(error)}", ExitCode.USAGE) from None
    if not text.strip():
        raise CommandFailed(f"{path} is empty: a credential is expected in it", ExitCode.USAGE)
    return text.strip()


def _cookie_header(text: str, source: str) -> Header:
    if text.lower().startswith("cookie:"):
        text = text[len("cookie:") :].strip()
    if "=" not in text:
        raise CommandFailed(f"{source} holds no cookie: name=value is expected", ExitCode.USAGE)
    return b"cookie", _encoded(text, source)


def _encoded(text: str, source: object) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise CommandFailed(f"{source} holds what no credential has: ASCII is expected", ExitCode.USAGE) from None


def _read_jar(path: Path) -> str:
    jar = http.cookiejar.MozillaCookieJar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a line that it can't read would be warned about with its traceback
            jar.load(str(path), ignore_discard=True)
    except (OSError, UnicodeDecodeError) as error:
        # Before OSError's own text: what is not a jar may be anything, and its first line is quoted.
        what = "it is no cookie jar of the Netscape format" if isinstance(error, http.cookiejar.LoadError) else ""
        raise CommandFailed(f"{path} can't be read: {what or _reason(error)}", ExitCode.USAGE) from None
    pairs = [f"{cookie.name}={cookie.value}" for cookie in jar if cookie.value is not None]
    if not pairs:
        raise CommandFailed(f"{path} holds no cookie that is still good: sign in again", ExitCode.USAGE)
    return "; ".join(dict.fromkeys(pairs))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "it is no text"
