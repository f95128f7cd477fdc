"""Credentials from files, standard input and the environment; error messages never contain them."""

from pathlib import Path

import pytest

from ory_guard.cli.credential_input import read_credential
from ory_guard.cli.errors import CommandFailed, ExitCode

SECRET = "MTc5NTMwMDc4OHx"
JAR_TITLE = "# Netscape HTTP Cookie File\n"


def write(folder: Path, content: bytes) -> Path:
    """Write a file and return its path."""
    path = folder / "file"
    path.write_bytes(content)
    return path


def error_for(token: Path | None = None, cookie: Path | None = None, jar: Path | None = None) -> str:
    """Return the error message, which does not contain the secret."""
    with pytest.raises(CommandFailed) as caught:
        read_credential(token, cookie, jar)
    assert caught.value.code is ExitCode.USAGE
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_returns_none_without_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty variables count as unset."""
    monkeypatch.setenv("ORY_SESSION_TOKEN", " ")
    monkeypatch.setenv("ORY_SESSION_COOKIE", "")

    assert read_credential(None, None, None) is None


def test_prefers_options_to_environment_and_tokens_to_cookies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORY_SESSION_TOKEN", "ory_st_a")
    monkeypatch.setenv("ORY_SESSION_COOKIE", "a=b")

    assert read_credential(None, None, None) == (b"x-session-token", b"ory_st_a")
    assert read_credential(None, write(tmp_path, b"c=d"), None) == (b"cookie", b"c=d")


@pytest.mark.parametrize("expires", ["", "0", "4102444800"])
def test_reads_session_cookies_of_a_jar(tmp_path: Path, expires: str) -> None:
    """Cookies that have expired, or that Kratos ignores, are left out."""
    cookies = ((expires, "ory", "x"), ("1", "old", "y"), ("4102444800", "campaign", "M\u00fcnchen"))
    lines = [f"#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t{each}\t{name}\t{value}\n" for each, name, value in cookies]
    path = write(tmp_path, (JAR_TITLE + "".join(lines)).encode())

    assert read_credential(None, None, path) == (b"cookie", b"ory=x")


def test_reads_the_cookie_header_of_a_browser(tmp_path: Path) -> None:
    path = write(tmp_path, "Cookie: campaign=M\u00fcnchen; ory=x; a=b".encode())

    assert read_credential(None, path, None) == (b"cookie", b"ory=x; a=b")


def test_rejects_several_options(tmp_path: Path) -> None:
    path = write(tmp_path, b"a=b")

    assert "only one of --token-file, --cookie-file and --cookie-jar" in error_for(path, path)


@pytest.mark.parametrize(
    ("option", "content", "text"),
    [
        ("token", b" \n", "is empty: expected a credential"),
        ("token", b"\xff" + SECRET.encode(), "not a text file"),
        ("token", f"{SECRET}\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "expected ASCII characters"),
        ("cookie", SECRET.encode(), "expected name=value"),
        ("jar", SECRET.encode(), "not a cookie jar in Netscape format"),
        ("jar", b"\xff\xfe" + SECRET.encode(), "not a text file"),
        ("jar", f"{JAR_TITLE}{SECRET}\n".encode(), "not a cookie jar in Netscape format"),
        ("jar", JAR_TITLE.encode(), "does not contain an unexpired cookie"),
    ],
    ids=["empty", "binary", "accent", "no name", "no jar", "binary jar", "malformed jar", "empty jar"],
)
def test_rejects_file_without_credential(option: str, content: bytes, text: str, tmp_path: Path) -> None:
    assert text in error_for(**{option: write(tmp_path, content)})


@pytest.mark.parametrize("option", ["token", "cookie", "jar"])
def test_rejects_missing_file(option: str, tmp_path: Path) -> None:
    assert "No such file or directory" in error_for(**{option: tmp_path / "missing"})
