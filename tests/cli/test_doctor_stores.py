"""The doctor on Redis and on the keys of tokens."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_cases import answering, found, found_all, make_context, token_of
from support.ports import free_port
from support.redis_server import BINARY, WHY_NOT, RedisServer

from ory_guard.cli.doctor import Finding
from ory_guard.testing import FakeKratos, ManualClock

needs_redis = pytest.mark.skipif(BINARY is None, reason=WHY_NOT)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server of these tests' own."""
    with RedisServer() as server:
        yield server


class SlowClock(ManualClock):
    """A clock on which everything takes a tenth of a second."""

    def monotonic(self) -> float:
        """Return a tenth of a second more at each look."""
        self.advance(0.1)
        return super().monotonic()


def test_without_redis_nothing_is_asked() -> None:
    """The doctor says how to name one."""
    finding = found("redis", FakeKratos())

    assert (finding.level, finding.fix) == ("skipped", "give --redis-url, or set REDIS_URL")


@pytest.mark.redis
@needs_redis
def test_a_redis_that_works_is_fine(redis: RedisServer) -> None:
    """Its version and its time are told."""
    finding = found("redis", FakeKratos(), redis_url=redis.url)

    assert finding.level == "ok"
    assert f"at 127.0.0.1:{redis.port} answers in" in finding.message


@pytest.mark.redis
@needs_redis
def test_a_redis_that_is_too_far_away_is_named(redis: RedisServer) -> None:
    """A request waits for it no longer than 50 ms."""
    finding = found("redis", FakeKratos(), redis_url=redis.url, clock=SlowClock())

    assert finding.level == "problem"
    assert "goes on without it after 50 ms" in finding.message


@pytest.mark.redis
@needs_redis
def test_a_redis_that_refuses_writes_when_full_is_noticed() -> None:
    """What is kept there may be dropped at any time, so it should be."""
    with RedisServer("--maxmemory", "100mb", "--maxmemory-policy", "noeviction") as server:
        finding = found("redis", FakeKratos(), redis_url=server.url)

    assert finding.level == "notice"
    assert finding.fix == "set maxmemory-policy to volatile-ttl"


@pytest.mark.redis
@needs_redis
def test_a_cluster_is_named(tmp_path: Path) -> None:
    """Its nodes would each hold a part of what belongs together."""
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with RedisServer(*options, "--dir", str(tmp_path)) as server:
        finding = found("redis", FakeKratos(), redis_url=server.url)

    assert finding.level == "problem"
    assert "is a cluster" in finding.message


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "127.0.0.1:1"),
        ("unix://:hunter2@/nowhere/redis.sock", "/nowhere/redis.sock"),
    ],
)
def test_a_redis_that_is_not_there_is_named_without_its_password(url: str, where: str) -> None:
    """Errors of the library quote the URL, so their text is not shown."""
    finding = found("redis", FakeKratos(), redis_url=url)

    assert finding.level == "problem"
    assert f"Redis at {where} can't be used" in finding.message
    assert "hunter2" not in finding.message + finding.fix


def test_a_url_that_is_none_of_redis_is_named() -> None:
    """It is not repeated: it may hold a password, too."""
    finding = found("redis", FakeKratos(), redis_url="http://:hunter2@127.0.0.1")

    assert finding.message == "--redis-url is no URL of a Redis"


@pytest.mark.parametrize(
    ("check", "module", "around"),
    [
        ("redis", "redis.asyncio", {"redis_url": "redis://x"}),
        ("jwks", "ory_guard.tokens.jwks", {"jwks": Path("x")}),
    ],
)
def test_an_extra_that_is_missing_is_named(
    check: str, module: str, around: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was named can't be looked at without it."""
    monkeypatch.setitem(sys.modules, module, None)

    finding = found(check, FakeKratos(), **around)

    assert finding.level == "problem"
    assert finding.fix.startswith("pip install 'ory-guard[")


def keys_of(fake: FakeKratos, folder: Path) -> Path:
    """Write a fake's public keys to a file."""
    path = folder / "jwks.json"
    path.write_text(json.dumps(fake.jwks))
    return path


def tried(fake: FakeKratos, jwks: Path, template: str = "jwt_basic", **around: Any) -> Finding:
    """Return what comes of trying the keys on a token."""
    user = fake.sign_in(fake.add_identity())
    context = make_context(fake, jwks=jwks, credential=token_of(user), template=template, **around)
    read, token = found_all("jwks", context)
    assert read.level == "ok"
    return token


def test_keys_that_verify_kratos_tokens_are_fine(tmp_path: Path) -> None:
    """A token is made and verified with them."""
    fake = FakeKratos()

    finding = tried(fake, keys_of(fake, tmp_path))

    assert finding.level == "ok"
    assert finding.message.startswith("a token of the template jwt_basic is verified with the key ")


def test_keys_that_do_not_verify_kratos_tokens_are_named(tmp_path: Path) -> None:
    """The key was changed in Kratos, and not here."""
    fake = FakeKratos()
    jwks = keys_of(fake, tmp_path)
    fake.rotate_keys()

    finding = tried(fake, jwks)

    assert finding.level == "problem"
    assert finding.message.endswith("there is no such key")


def test_a_key_that_only_has_the_right_name_is_named(tmp_path: Path) -> None:
    """Its kid is that of the signing key, and its signature is not."""
    fake, other = FakeKratos(), FakeKratos()
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [{**other.jwks["keys"][0], "kid": fake.jwks["keys"][0]["kid"]}]}))

    finding = tried(fake, jwks)

    assert finding.level == "problem"
    assert finding.message.endswith("the key of that kid did not sign it")


def test_a_template_that_is_unknown_is_named(tmp_path: Path) -> None:
    """Kratos makes no token with it."""
    fake = FakeKratos()

    finding = tried(fake, keys_of(fake, tmp_path), template="nothing")

    assert finding.level == "problem"
    assert "makes no token with the template nothing (status 400)" in finding.message


def test_a_token_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    """Nothing of it is shown."""
    fake = FakeKratos()
    odd = answering(fake.app, "/sessions/whoami", 200, b'{"tokenized": "a.b"}')

    finding = tried(fake, keys_of(fake, tmp_path), app=odd)

    assert finding.message == "the token of the template jwt_basic can't be read"


def test_without_a_session_the_keys_are_only_read(tmp_path: Path) -> None:
    """The doctor says what to give."""
    fake = FakeKratos()

    for template in (None, "jwt_basic"):
        findings = found_all("jwks", make_context(fake, jwks=keys_of(fake, tmp_path), template=template))
        assert [finding.level for finding in findings] == ["ok", "skipped"]
        assert findings[0].message.endswith("holds 1 usable key")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"keys": []}', "holds no key that can verify a token"),
        ('{"keys": [{"kty": "EC", "d": "…"}]}', "contains a private key"),
        ("[]", "is not a JWKS"),
    ],
    ids=["empty", "private", "other"],
)
def test_a_file_without_usable_keys_is_named(content: str, words: str, tmp_path: Path) -> None:
    """Private keys least of all: they would be in every application."""
    jwks = tmp_path / "jwks.json"
    jwks.write_text(content)

    finding = found("jwks", FakeKratos(), jwks=jwks)

    assert finding.level == "problem"
    assert words in finding.message


@pytest.mark.parametrize("jwks", [Path("/nowhere/jwks.json"), "http://127.0.0.1:1/jwks.json"], ids=["file", "url"])
def test_keys_that_can_not_be_read_are_named(jwks: Any) -> None:
    """The file or the server is not there."""
    finding = found("jwks", FakeKratos(), jwks=jwks)

    assert finding.level == "problem"
    assert "can't be read" in finding.message


def test_without_keys_nothing_is_read() -> None:
    """Most applications take no JWTs."""
    assert found("jwks", FakeKratos()).level == "skipped"
