"""Credentials come from files, standard input and the environment, and their content is never shown."""

from pathlib import Path

import pytest

from ory_guard.cli.credential_input import read_credential
from ory_guard.cli.errors import CommandFailed, ExitCode

SECRET = "MTc5NTMwMDc4OHx"


def file_with(folder: Path, content: bytes) -> Path:
    """Write a file."""
    path = folder / "file"
    path.write_bytes(content)
    return path


def refused(token: Path | None = None, cookie: Path | None = None, jar: Path | None = None) -> str:
    """Return why nothing can be presented."""
    with pytest.raises(CommandFailed) as caught:
        read_credential(token, cookie, jar)
    assert caught.value.code is ExitCode.USAGE
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_nothing_given_is_nothing_presented(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable counts as unset."""
    monkeypatch.setenv("ORY_SESSION_TOKEN", " ")
    monkeypatch.setenv("ORY_SESSION_COOKIE", "")

    assert read_credential(None, None, None) is None


def test_an_option_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """And a token over a cookie, as Kratos has it."""
    monkeypatch.setenv("ORY_SESSION_TOKEN", "ory_st_a")
    monkeypatch.setenv("ORY_SESSION_COOKIE", "a=b")

    assert read_credential(None, None, None) == (b"x-session-token", b"ory_st_a")
    assert read_credential(None, file_with(tmp_path, b"c=d"), None) == (b"cookie", b"c=d")


def test_two_options_are_one_too_many(tmp_path: Path) -> None:
    """Kratos looks at one credential, and nobody should have to know which."""
    path = file_with(tmp_path, b"a=b")

    assert "one of --token-file, --cookie-file and --cookie-jar" in refused(path, path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b" \n", "is empty"),
        (b"\xff" + SECRET.encode(), "it is no text"),
        (f"{SECRET}\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), "ASCII is expected"),
    ],
    ids=["empty", "binary", "accent"],
)
def test_a_file_without_a_token_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    """The text says what is expected, and nothing of what is there."""
    assert words in refused(file_with(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """With the system's reason."""
    assert "No such file or directory" in refused(tmp_path / "nowhere")
    assert "No such file or directory" in refused(jar=tmp_path / "nowhere")


def test_a_file_without_a_cookie_is_refused(tmp_path: Path) -> None:
    """A bare value could be anything."""
    assert "name=value is expected" in refused(cookie=file_with(tmp_path, SECRET.encode()))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (SECRET.encode(), "it is no cookie jar of the Netscape format"),
        (b"\xff\xfe" + SECRET.encode(), "it is no text"),
        (b"# Netscape HTTP Cookie File\n" + SECRET.encode() + b"\n", "it is no cookie jar of the Netscape format"),
        (b"# Netscape HTTP Cookie File\n", "holds no cookie that is still good"),
    ],
    ids=["other", "binary", "broken", "empty"],
)
def test_a_jar_that_can_not_be_used_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    """What can't be read is not quoted: it may be a credential."""
    assert words in refused(jar=file_with(tmp_path, content))
