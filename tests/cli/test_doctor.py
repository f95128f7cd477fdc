"""The doctor as a whole, and its checks of connections, Redis and token keys."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_setup import Setup, cookies, findings_of, replacing, run_all, run_check, token
from support.ports import free_port
from support.redis_server import BINARY, WHY_NOT, RedisServer
from support.socket_kratos import hang_up, listening

from ory_guard.cli.doctor import CHECKS, Finding
from ory_guard.cli.doctor.context import json_object
from ory_guard.kratos.http import HTTPResponse
from ory_guard.testing import FakeKratos, Fault, ManualClock


def test_checks_are_skipped_if_kratos_is_unreachable() -> None:
    fake = FakeKratos()
    fake.fail(Fault.server_error(), times=1)

    findings = run_all(Setup().build(fake))

    assert [finding.check for finding in findings] == [check.name for check in CHECKS]
    skipped = {finding.check for finding in findings if finding.message == "Kratos is unreachable"}
    assert skipped == {check.name for check in CHECKS if check.needs_kratos} - {"reach"}
    assert fake.requests.whoami_calls == 1


def test_check_reports_problem_if_kratos_stops_responding() -> None:
    fake = FakeKratos()
    fake.fail(Fault.reset(), path="/self-service/login/api")

    findings = {finding.check: finding for finding in run_all(Setup().build(fake))}

    assert findings["clock"].level == "problem"
    assert findings["clock"].message.startswith("Kratos stopped responding during this check: ")
    assert findings["clock"].fix == "retry"
    assert findings["return_to"].level == "ok"


def test_kratos_receives_no_other_cookies_of_the_browser(tmp_path: Path) -> None:
    fake = FakeKratos()
    setup = Setup(user={}, credential=cookies, inputs={"jwks": write_jwks(fake, tmp_path), "template": "jwt_basic"})

    findings = run_all(setup.build(fake))

    sent = [request.headers["cookie"] for request in fake.requests if "cookie" in request.headers]
    assert len(sent) > 3
    assert [header for header in sent if not header.startswith("ory_kratos_session=")] == []
    assert [header for header in sent if ";" in header] == []
    assert not [finding for finding in findings if finding.level == "problem"]


def test_aal1_session_of_user_with_two_factors_causes_no_problem(tmp_path: Path) -> None:
    fake = FakeKratos()
    inputs = {"jwks": write_jwks(fake, tmp_path), "template": "jwt_basic"}

    findings = run_all(Setup(user={"totp": True}, credential=token, inputs=inputs).build(fake))

    by_check = {finding.check: finding for finding in findings}
    assert by_check["required_aal"].level == by_check["caching"].level == "ok"
    assert by_check["jwks"].level == "skipped"
    assert "requires a second factor" in by_check["jwks"].message
    assert not [finding for finding in findings if finding.level == "problem"]


def test_json_object_is_empty_for_other_bodies() -> None:
    headers = [(b"content-type", b"application/json")]

    assert json_object(HTTPResponse(200, headers, b"[" * 100_000)) == {}
    assert json_object(HTTPResponse(200, [], b"{}")) == {}


async def reach(url: str) -> Finding:
    """Return the finding of the check `reach` at a URL."""
    (finding,) = await findings_of("reach", Setup({"public_url": url}, over_sockets=True).build())
    return finding


def test_reach_reports_failed_tls_handshake() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async def run() -> tuple[int, Finding]:
        async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return port, await reach(f"https://127.0.0.1:{port}")

    port, finding = asyncio.run(run())

    assert finding.level == "problem"
    assert finding.message == f"the TLS handshake with 127.0.0.1:{port} failed (WRONG_VERSION_NUMBER)"


def test_reach_reports_server_that_does_not_speak_http() -> None:
    async def run() -> Finding:
        async with listening(hang_up) as server:
            return await reach(server.url)

    finding = asyncio.run(run())

    assert finding.level == "problem"
    assert "accepts TCP connections but does not speak HTTP" in finding.message
    assert "https://" in finding.fix


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis server for this module."""
    with RedisServer() as server:
        yield server


class SlowClock(ManualClock):
    """A clock that advances by a tenth of a second whenever it is read."""

    def monotonic(self) -> float:
        """Return a time that is a tenth of a second later than before."""
        self.advance(0.1)
        return super().monotonic()


def check_redis(url: str, **inputs: Any) -> tuple[str, str]:
    """Return the level and the texts of the finding about a Redis URL."""
    (finding,) = run_check("redis", Setup(inputs={"redis_url": url, **inputs}).build())
    return finding.level, f"{finding.message} -> {finding.fix}"


@pytest.mark.redis
@pytest.mark.skipif(BINARY is None, reason=WHY_NOT)
def test_redis_reports_version_and_latency(redis: RedisServer) -> None:
    level, text = check_redis(redis.url)
    assert level == "ok"
    assert f"at 127.0.0.1:{redis.port} responds in" in text

    level, text = check_redis(redis.url, clock=SlowClock())
    assert level == "problem"
    assert "requests wait for it for 50 ms only" in text


@pytest.mark.redis
@pytest.mark.skipif(BINARY is None, reason=WHY_NOT)
@pytest.mark.parametrize(
    ("options", "level", "text"),
    [
        (
            ("--maxmemory", "100mb", "--maxmemory-policy", "noeviction"),
            "notice",
            "maxmemory-policy to volatile-ttl",
        ),
        (("--cluster-enabled", "yes"), "problem", "is a cluster"),
    ],
    ids=["noeviction", "cluster"],
)
def test_redis_reports_configuration(options: tuple[str, ...], level: str, text: str, tmp_path: Path) -> None:
    cluster = ("--cluster-port", str(free_port())) if "--cluster-enabled" in options else ()
    with RedisServer(*options, *cluster, "--dir", str(tmp_path)) as server:
        actual, texts = check_redis(server.url)

    assert actual == level
    assert text in texts


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://:hunter2@127.0.0.1:1/0", "Redis at 127.0.0.1:1 can't be used"),
        ("unix://:hunter2@/nowhere/redis.sock", "Redis at /nowhere/redis.sock can't be used"),
        ("http://:hunter2@127.0.0.1", "--redis-url is not a Redis URL"),
    ],
)
def test_redis_reports_unusable_url_without_its_password(url: str, text: str) -> None:
    level, texts = check_redis(url)

    assert level == "problem"
    assert text in texts
    assert "hunter2" not in texts


@pytest.mark.parametrize(("check", "option"), [("redis", "--redis-url"), ("jwks", "--jwks")])
def test_optional_checks_are_skipped_without_their_input(check: str, option: str) -> None:
    (finding,) = run_check(check, Setup().build())

    assert finding.level == "skipped"
    assert f"give {option}" in finding.fix


@pytest.mark.parametrize(
    ("check", "module", "inputs"),
    [
        ("redis", "redis.asyncio", {"redis_url": "redis://x"}),
        ("jwks", "ory_guard.tokens.jwks", {"jwks": Path("x")}),
    ],
)
def test_optional_checks_report_missing_extra(
    check: str, module: str, inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    (finding,) = run_check(check, Setup(inputs=inputs).build())

    assert finding.level == "problem"
    assert finding.fix.startswith("pip install 'ory-guard[")


def write_jwks(fake: FakeKratos, folder: Path) -> Path:
    """Write the public keys of a fake to a file."""
    path = folder / "jwks.json"
    path.write_text(json.dumps(fake.jwks))
    return path


def write_other_key_of_same_kid(fake: FakeKratos, folder: Path) -> Path:
    """Write a key with the kid of the signing key, and another value."""
    path = folder / "jwks.json"
    path.write_text(json.dumps({"keys": [{**FakeKratos().jwks["keys"][0], "kid": fake.jwks["keys"][0]["kid"]}]}))
    return path


def write_rotated(fake: FakeKratos, folder: Path) -> Path:
    """Write the public keys of a fake, then rotate them."""
    path = write_jwks(fake, folder)
    fake.rotate_keys()
    return path


@pytest.mark.parametrize(
    ("write", "template", "level", "text"),
    [
        (write_jwks, "jwt_basic", "ok", "a token of the template jwt_basic was verified with the key "),
        (write_rotated, "jwt_basic", "problem", "the JWKS does not contain that key"),
        (write_other_key_of_same_kid, "jwt_basic", "problem", "its signature does not match that key"),
        (write_jwks, "nothing", "problem", "does not create a token with the template nothing (status 400)"),
    ],
    ids=["verified", "rotated", "other key", "unknown template"],
)
def test_jwks_verifies_a_token(write: Any, template: str, level: str, text: str, tmp_path: Path) -> None:
    fake = FakeKratos()
    inputs = {"jwks": write(fake, tmp_path), "template": template}

    keys, finding = run_check("jwks", Setup(user={}, credential=token, inputs=inputs).build(fake))

    assert (keys.level, finding.level) == ("ok", level)
    assert text in finding.message


def test_jwks_reports_malformed_token(tmp_path: Path) -> None:
    fake = FakeKratos()
    inputs = {"jwks": write_jwks(fake, tmp_path), "template": "jwt_basic"}
    proxy = replacing("/sessions/whoami", 200, b'{"tokenized": "a.b"}')

    _, finding = run_check("jwks", Setup(proxy=proxy, user={}, credential=token, inputs=inputs).build(fake))

    assert finding.level == "problem"
    assert finding.message == "the token of the template jwt_basic is malformed"


def test_jwks_verifies_no_token_without_template_and_session(tmp_path: Path) -> None:
    fake = FakeKratos()

    for template in (None, "jwt_basic"):
        inputs = {"jwks": write_jwks(fake, tmp_path), "template": template}
        keys, token_finding = run_check("jwks", Setup(inputs=inputs).build(fake))
        assert (keys.level, token_finding.level) == ("ok", "skipped")
        assert keys.message.endswith("contains 1 usable key")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"keys": []}', "contains no key that can verify a token"),
        ('{"keys": [{"kty": "EC", "d": "…"}]}', "contains a private key"),
        ("[]", "is not a JWKS"),
    ],
    ids=["empty", "private", "other"],
)
def test_jwks_reports_unusable_file(content: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(content)

    (finding,) = run_check("jwks", Setup(inputs={"jwks": path}).build())

    assert finding.level == "problem"
    assert text in finding.message


@pytest.mark.parametrize("jwks", [Path("/nowhere/jwks.json"), "http://127.0.0.1:1/jwks.json"], ids=["file", "URL"])
def test_jwks_reports_missing_file_or_server(jwks: Any) -> None:
    (finding,) = run_check("jwks", Setup(inputs={"jwks": jwks}).build())

    assert finding.level == "problem"
    assert "can't be read" in finding.message
