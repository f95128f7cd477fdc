"""The credential for a command, read from a file, standard input or the environment.

Command-line arguments are not accepted, because other users of the machine can read them in the process list.
"""

import http.cookiejar
import os
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path

from ory_guard.cli.errors import CommandFailed, ExitCode
from ory_guard.cli.options import COOKIE_VARIABLE, TOKEN_VARIABLE
from ory_guard.models.credential import Header

__all__ = ["read_credential"]


def read_credential(token_file: Path | None, cookie_file: Path | None, cookie_jar: Path | None) -> Header | None:
    """Return the given credential as a request header, or None without one.

    Options take precedence over environment variables, and a token over a cookie.

    Raises:
        CommandFailed: If several options are given, or the credential can't be read.
    """
    files = [file for file in (token_file, cookie_file, cookie_jar) if file is not None]
    if len(files) > 1:
        raise CommandFailed(
            "Kratos accepts one credential: use only one of --token-file, --cookie-file and --cookie-jar",
            ExitCode.USAGE,
        )
    if cookie_jar is not None:
        return b"cookie", _encode(_read_jar(cookie_jar), cookie_jar)
    if cookie_file is not None:
        return _cookie_header(_read(cookie_file), str(cookie_file))
    if token_file is not None:
        return b"x-session-token", _encode(_read(token_file), token_file)
    if token := os.environ.get(TOKEN_VARIABLE, "").strip():
        return b"x-session-token", _encode(token, TOKEN_VARIABLE)
    if cookie := os.environ.get(COOKIE_VARIABLE, "").strip():
        return _cookie_header(cookie, COOKIE_VARIABLE)
    return None


def _read(path: Path) -> str:
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {_reason(error)}", ExitCode.USAGE) from None
    if not text.strip():
        raise CommandFailed(f"{path} is empty: expected a credential", ExitCode.USAGE)
    return text.strip()


def _cookie_header(text: str, source: str) -> Header:
    if text.lower().startswith("cookie:"):
        text = text[len("cookie:") :].strip()
    text = _without_unreadable_cookies(text.split(";"))
    if "=" not in text:
        raise CommandFailed(f"{source} does not contain a cookie: expected name=value", ExitCode.USAGE)
    return b"cookie", _encode(text, source)


def _encode(text: str, source: object) -> bytes:
    try:
        return text.encode("ascii")
    except UnicodeEncodeError:
        raise CommandFailed(
            f"{source} does not contain a credential: expected ASCII characters only", ExitCode.USAGE
        ) from None


def _read_jar(path: Path) -> str:
    jar = http.cookiejar.MozillaCookieJar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser warns about an unexpected line with a traceback
            jar.load(str(path), ignore_discard=True, ignore_expires=True)
    except http.cookiejar.LoadError:
        # The text of the error quotes the line, which may be a credential.
        raise CommandFailed(f"{path} can't be read: not a cookie jar in Netscape format", ExitCode.USAGE) from None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandFailed(f"{path} can't be read: {_reason(error)}", ExitCode.USAGE) from None
    # A jar may have cookies of all sites. 0 is the expiry of a session cookie in jars of curl and of browsers.
    current = (cookie for cookie in jar if not cookie.expires or not cookie.is_expired())
    pairs = dict.fromkeys(f"{cookie.name}={cookie.value}" for cookie in current if cookie.value is not None)
    if header := _without_unreadable_cookies(pairs):
        return header
    raise CommandFailed(f"{path} does not contain an unexpired cookie: log in again", ExitCode.USAGE)


def _without_unreadable_cookies(pairs: Iterable[str]) -> str:
    """Return a header without the cookies beyond ASCII, which other applications have set and Kratos ignores."""
    return "; ".join(pair.strip() for pair in pairs if pair.isascii())


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else "not a text file"
