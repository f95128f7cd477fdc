"""The servers of the deployment recipes, run by the commands on the page."""

import asyncio
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from support.redis_server import BINARY, SKIP_REASON, RedisServer
from support.threaded_server import served

from ory_guard.testing import FakeKratos, SignedIn

from .shop_server import ShopServer, listening_for_ready, running_shop

pytestmark = [pytest.mark.workers, pytest.mark.timeout(300)]

SERVERS = ["uvicorn", "gunicorn", "granian", "hypercorn", "kubernetes"]
needs_redis = pytest.mark.skipif(BINARY is None, reason=SKIP_REASON)


class HoldableKratos:
    """A fake Kratos that can hold its responses."""

    def __init__(self, url: str) -> None:
        self.fake = FakeKratos()
        self.url = url
        self.released = threading.Event()
        self.released.set()
        self.asked = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Respond when the call is released."""
        self.asked.set()
        await asyncio.to_thread(self.released.wait)
        await self.fake.app(scope, receive, send)

    def sign_in(self) -> SignedIn:
        """Return a new user."""
        return self.fake.sign_in(self.fake.add_identity())


@pytest.fixture
def kratos() -> Iterator[HoldableKratos]:
    def make(url: str) -> tuple[Any, HoldableKratos]:
        holdable = HoldableKratos(url)
        return holdable, holdable

    with served(make) as holdable:
        yield holdable


def identities(server: ShopServer, user: SignedIn) -> set[str]:
    """Return the bodies of the responses of every worker to a user."""
    return {reply.body for reply in server.from_each_worker("/me", user.token, 200)}


def stored_sessions(client: redis_client.Redis) -> int:
    """Return the number of sessions in Redis; entries of probes expire soon."""
    return sum(client.pttl(key) > 100_000 for key in client.scan_iter("ory_guard:session:*"))


def assert_clean(server: ShopServer) -> None:
    """Neither a traceback nor a warning of the guard was logged."""
    text = server.log.read_text()
    assert "Traceback" not in text, text
    assert "lifespan" not in text.replace("--lifespan", ""), text


@pytest.mark.parametrize("name", SERVERS)
def test_every_worker_calls_kratos_once_for_each_session(name: str, kratos: HoldableKratos, tmp_path: Path) -> None:
    """Each worker has its own connections and cache, and no user gets the session of another."""
    users = [kratos.sign_in() for _ in range(3)]
    with running_shop(name, tmp_path, kratos.url) as server:
        with ThreadPoolExecutor(len(users)) as pool:
            found = list(pool.map(lambda user: identities(server, user), users))

        assert found == [{f'"{user.session.identity.id}"'} for user in users]
        kratos.fake.assert_whoami_calls(len(users) * server.workers)
        assert server.ask("/me", "ory_st_unknown").status == 401
    assert_clean(server)


@needs_redis
@pytest.mark.redis
@pytest.mark.parametrize(
    ("name", "before_fork"),
    [
        *((name, False) for name in SERVERS),
        pytest.param("gunicorn", True, id="gunicorn, and the guard was used before the fork"),
    ],
)
def test_workers_share_sessions_and_revocations(
    name: str, kratos: HoldableKratos, redis: RedisServer, tmp_path: Path, *, before_fork: bool
) -> None:
    """One call of Kratos for all workers; after a logout in one worker, all of them reject the session."""
    early, user = kratos.sign_in(), kratos.sign_in()
    extra = {"USED_BEFORE_FORK": early.token} if before_fork else {}
    with running_shop(name, tmp_path, kratos.url, redis.url, **extra) as server:
        assert identities(server, early) == {f'"{early.session.identity.id}"'}
        server.from_each_worker("/me", "ory_st_unknown", 401)
        server.wait_until(lambda: all('"store":"up"' in reply.body for reply in server.burst("/health")))
        kratos.fake.requests.clear()
        with redis_client.Redis.from_url(redis.url) as client:
            before = stored_sessions(client)
            server.ask("/me", user.token)
            server.wait_until(lambda: stored_sessions(client) > before)
        assert identities(server, user) == {f'"{user.session.identity.id}"'}
        kratos.fake.assert_whoami_calls(1)

        for one in (user, early):
            assert server.ask("/logout", one.token, method="POST").status == 204
            server.from_each_worker("/me", one.token, 401)
            assert {reply.status for reply in server.burst("/me", one.token)} == {401}
    assert_clean(server)


@pytest.mark.parametrize("name", [*SERVERS, "systemd"])
def test_server_completes_requests_before_it_stops(name: str, kratos: HoldableKratos, tmp_path: Path) -> None:
    """On SIGTERM during a call of Kratos."""
    user = kratos.sign_in()
    with running_shop(name, tmp_path, kratos.url) as server, ThreadPoolExecutor(1) as pool:
        server.from_each_worker("/health", "", 200)
        kratos.released.clear()
        kratos.asked.clear()
        request = pool.submit(server.ask, "/me", user.token)
        assert kratos.asked.wait(60)
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        kratos.released.set()

        assert request.result()[:2] == (200, f'"{user.session.identity.id}"')
        assert server.process.wait(60) in (0, -signal.SIGTERM)  # a single uvicorn raises the signal again
    assert_clean(server)


def test_systemd_service_reports_that_it_is_ready(kratos: HoldableKratos, tmp_path: Path) -> None:
    """With `Type=notify`."""
    with (
        listening_for_ready(tmp_path) as notified,
        running_shop("systemd", tmp_path, kratos.url, NOTIFY_SOCKET=str(tmp_path / "notify.sock")),
    ):
        assert b"READY=1" in notified.recv(4_096)
