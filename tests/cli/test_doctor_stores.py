"""The doctor's checks of Redis and of the keys that verify tokens."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_setup import assert_finding, replacing, row, run_check, setup, token
from support.certificates import make_certificate
from support.ports import free_port
from support.processes import accepts, running
from support.redis_server import BINARY, SKIP_REASON, RedisServer

from ory_guard.redis import RedisSessionStore
from ory_guard.testing import FakeKratos, ManualClock

needs_redis = pytest.mark.skipif(BINARY is None, reason=SKIP_REASON)


class SlowClock(ManualClock):
    """A clock that advances by a second whenever it is read."""

    def monotonic(self) -> float:
        """Return a time that is a second later than before."""
        self.advance(1)
        return super().monotonic()


TLS = (
    "--tls-port {tls} --tls-cert-file {folder}/server.pem --tls-key-file {folder}/server.pem --tls-auth-clients no"
)


@pytest.mark.redis
@needs_redis
@pytest.mark.parametrize(
    ("options", "url", "expected", "text"),
    [
        ("", "redis://127.0.0.1:{port}", "redis ok", "at 127.0.0.1:{port} responds in"),
        ("", "redis://user:hunter2@127.0.0.1:{port}", "redis problem", "rejects the user or the password"),
        (
            "--maxmemory 100mb --maxmemory-policy noeviction",
            "redis://127.0.0.1:{port}",
            "redis notice",
            "-> set maxmemory-policy to volatile-ttl",
        ),
        ("--replicaof 127.0.0.1 {other}", "redis://127.0.0.1:{port}", "redis problem", "is a replica"),
        ("--maxmemory 1 --maxmemory-policy noeviction", "redis://127.0.0.1:{port}", "redis problem", "is full"),
        (
            "--user default on nopass ~* &* +@all -publish",
            "redis://127.0.0.1:{port}",
            "redis problem",
            "executing the script can't run",
        ),
        (TLS, "rediss://:hunter2@127.0.0.1:{tls}", "redis problem", "the certificate of Redis … ssl_ca_certs"),
    ],
    ids=["usable", "wrong password", "noeviction", "replica", "full", "permission", "untrusted certificate"],
)
def test_redis_reports_its_configuration(options: str, url: str, expected: str, text: str, tmp_path: Path) -> None:
    make_certificate(tmp_path)
    values = {"tls": free_port(), "other": free_port(), "folder": tmp_path}
    with RedisServer(*options.format(**values).split(), "--dir", str(tmp_path)) as server:
        values["port"] = server.port
        assert_finding(expected, text.format(**values), (), {"redis_url": url.format(**values)})


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis server for this module."""
    with RedisServer() as server:
        yield server


@pytest.mark.redis
@needs_redis
def test_redis_reports_latency(redis: RedisServer) -> None:
    slow = {"redis_url": redis.url, "clock": SlowClock()}
    assert_finding("redis problem", "requests wait for it for at most 500 ms", (), slow)


@pytest.mark.redis
@needs_redis
def test_redis_reports_a_sentinel(tmp_path: Path) -> None:
    config, port = tmp_path / "sentinel.conf", free_port()
    config.write_text(f"port {port}\nbind 127.0.0.1\n")
    with running([BINARY or "", str(config), "--sentinel"], lambda: accepts(port), tmp_path):
        assert_finding("redis problem", "is a sentinel", (), {"redis_url": f"redis://127.0.0.1:{port}"})


@pytest.mark.redis
@needs_redis
@pytest.mark.parametrize("method", ["get", "load_ids"])
def test_redis_reports_lost_data(redis: RedisServer, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """Another server may respond at the same address."""

    async def get(_store: RedisSessionStore, _keys: object) -> None:
        return None

    if method == "get":
        monkeypatch.setattr(RedisSessionStore, "get", get)
    else:
        monkeypatch.setattr("ory_guard.redis.revocation_subscription.load_ids", lambda _message: None)
    assert_finding("redis problem", "has lost a", (), {"redis_url": redis.url})


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "Redis at 127.0.0.1:1 can't be used"),
        ("valkey://:hunter2@127.0.0.1:1/0", "Redis at 127.0.0.1:1 can't be used"),
        ("unix://:hunter2@/nowhere/redis.sock", "Redis at /nowhere/redis.sock can't be used"),
        ("http://:hunter2@127.0.0.1", "--redis-url is not a Redis URL"),
    ],
)
def test_redis_reports_unusable_url_without_its_password(url: str, text: str) -> None:
    (finding,) = run_check("redis", setup(redis_url=url))

    assert finding.level == "problem"
    assert text in finding.message
    assert "hunter2" not in finding.message + finding.fix


def jwks_file(content: Any, folder: Path) -> Path:
    """Write a JWKS and return its path."""
    path = folder / "jwks.json"
    path.write_text(json.dumps(content))
    return path


NOWHERE = Path("/nowhere/jwks.json"), "http://127.0.0.1:1/jwks.json"
ROWS = [
    row("redis skipped", "-> give --redis-url, or set REDIS_URL"),
    row("jwks skipped", "-> give --jwks"),
    *(row("jwks problem", f"{jwks} can't be read", jwks=jwks) for jwks in NOWHERE),
]


@pytest.mark.parametrize(("expected", "texts", "arguments", "keywords"), ROWS)
def test_check_reports_finding(expected: str, texts: str, arguments: Any, keywords: Any) -> None:
    assert_finding(expected, texts, arguments, keywords)


@pytest.mark.parametrize(
    ("check", "module", "inputs"),
    [
        ("redis", "redis.asyncio", {"redis_url": "redis://x"}),
        ("jwks", "ory_guard.tokens.jwks", {"jwks": Path("x")}),
    ],
)
def test_check_reports_missing_extra(
    check: str, module: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    assert_finding(f"{check} problem", "is not installed … -> pip install 'ory-guard[", (), inputs)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"keys": []}, "contains no key that can verify a token"),
        ({"keys": [{"kty": "EC", "d": "…"}]}, "contains a private key"),
        ([], "is not a JWKS"),
    ],
    ids=["empty", "private", "other"],
)
def test_jwks_reports_unusable_file(content: Any, text: str, tmp_path: Path) -> None:
    assert_finding("jwks problem", text, (), {"jwks": jwks_file(content, tmp_path)})


@pytest.mark.parametrize("template", [None, "jwt_basic"])
def test_jwks_verifies_no_token_without_template_and_session(template: str | None, tmp_path: Path) -> None:
    jwks = jwks_file(FakeKratos().jwks, tmp_path)

    keys, verified = run_check("jwks", setup(jwks=jwks, template=template))

    assert (keys.level, verified.level) == ("ok", "skipped")
    assert keys.message.endswith("contains 1 usable key")


def own_keys(fake: FakeKratos) -> Any:
    """Return the public keys of a fake."""
    return fake.jwks


def previous_keys(fake: FakeKratos) -> Any:
    """Return the public keys of a fake from before a rotation."""
    keys = fake.jwks
    fake.rotate_keys()
    return keys


def other_key_of_same_kid(fake: FakeKratos) -> Any:
    """Return a key with the kid of the signing key, and another value."""
    return {"keys": [{**FakeKratos().jwks["keys"][0], "kid": fake.jwks["keys"][0]["kid"]}]}


@pytest.mark.parametrize(
    ("keys_of", "template", "level", "text"),
    [
        (own_keys, "jwt_basic", "ok", "a token of the template jwt_basic was verified with the key "),
        (previous_keys, "jwt_basic", "problem", "the JWKS does not contain that key"),
        (other_key_of_same_kid, "jwt_basic", "problem", "its signature does not match that key"),
        (own_keys, "nothing", "problem", "does not create a token with the template nothing (status 400)"),
        (own_keys, "malformed", "problem", "the token of the template malformed is malformed"),
    ],
)
def test_jwks_verifies_a_token(keys_of: Any, template: str, level: str, text: str, tmp_path: Path) -> None:
    fake = FakeKratos()
    jwks = jwks_file(keys_of(fake), tmp_path)
    proxy = replacing("/sessions/whoami", 200, b'{"tokenized": "a.b"}') if template == "malformed" else None

    keys, verified = run_check("jwks", setup(fake, proxy=proxy, credential=token, jwks=jwks, template=template))

    assert (keys.level, verified.level) == ("ok", level)
    assert text in verified.message
