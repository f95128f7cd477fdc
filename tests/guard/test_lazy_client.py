"""The client of a guard is created once, and in a thread if an event loop waits for it."""

import asyncio
import subprocess
import sys
import threading

import pytest
from support.guard_bench import settings_of

from ory_guard.client import FrontendClient
from ory_guard.guard.lazy_client import LazyClient

FRESH_PROCESS = """
import asyncio, sys, threading
import httpx2
from ory_guard import GuardSettings, OryGuard
threads = []
def hook(event, args):
    if event == "import" and args[0] == "ory_guard.client":
        threads.append(threading.current_thread().name)
sys.addaudithook(hook)
def kratos(request):
    status = 204 if request.url.path.endswith("/logout/api") else 401
    return httpx2.Response(status, json={"error": {"code": 401}} if status == 401 else None)
guard = OryGuard(
    GuardSettings(kratos_public_url="http://kratos.test", app_url="http://app.test"),
    transport=httpx2.MockTransport(kratos),
)
scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"x-session-token", b"t")]}
"""


class SlowClient(LazyClient):
    """A client whose import waits for the test, and fails as often as the test says."""

    def __init__(self, failures: int = 0) -> None:
        super().__init__(settings_of(), None)
        self.continues = threading.Event()
        self.threads: list[str] = []
        self._failures = failures

    def _create(self) -> FrontendClient:
        self.threads.append(threading.current_thread().name)
        assert self.continues.wait(30), "the event loop is blocked"
        if len(self.threads) <= self._failures:
            raise ImportError("broken")
        return super()._create()


async def waiters_of(client: LazyClient, count: int) -> list[asyncio.Task[FrontendClient]]:
    tasks = [asyncio.create_task(client.load()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


def test_event_loop_runs_during_the_import() -> None:
    """All callers get the client of one import, and the cancellation of one changes nothing for the others."""

    async def use() -> None:
        client = SlowClient()
        first, *others = await waiters_of(client, 5)
        first.cancel()
        await asyncio.wait([first])
        client.continues.set()

        found = await asyncio.gather(*others)

        assert {*found} == {client.get()} == {await client.load()}
        assert client.threads == ["ory_guard.client"]
        assert first.cancelled()

    asyncio.run(use())


def test_import_is_repeated_after_a_failure() -> None:
    """Every caller gets the exception of the import that it waited for."""

    async def use() -> None:
        client = SlowClient(failures=1)
        tasks = await waiters_of(client, 2)
        client.continues.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert [str(result) for result in results] == ["broken", "broken"]
        assert await client.load() is client.get()

    asyncio.run(use())


def test_import_survives_the_event_loop_that_started_it() -> None:
    client = SlowClient()

    async def give_up() -> None:
        await waiters_of(client, 1)  # the end of the event loop cancels it

    async def use() -> FrontendClient:
        (task,) = await waiters_of(client, 1)
        client.continues.set()
        return await task

    asyncio.run(give_up())

    assert asyncio.run(use()) is client.get()
    assert len(client.threads) == 1


def test_client_of_a_faster_thread_is_kept() -> None:
    """The property and a request may create it at the same time."""
    faster = LazyClient(settings_of(), None).get()

    class Overtaken(LazyClient):
        def _create(self) -> FrontendClient:
            self._client = faster
            return super()._create()

    assert Overtaken(settings_of(), None).get() is faster


@pytest.mark.parametrize("text", ["can't start new thread", "can't create new thread at interpreter shutdown"])
def test_client_is_imported_in_the_event_loop_if_there_is_no_thread(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError(text)

    client = SlowClient()
    client.continues.set()
    monkeypatch.setattr(threading.Thread, "start", start)

    assert asyncio.run(client.load()) is client.get()
    assert client.threads == ["MainThread"]


def test_guard_can_be_closed_before_and_during_the_import() -> None:
    async def use() -> None:
        client = SlowClient()
        await client.aclose()
        (task,) = await waiters_of(client, 1)
        await client.aclose()
        client.continues.set()

        assert isinstance(await task, FrontendClient)
        await client.aclose()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param(
            "asyncio.run(guard.logout(scope)); print(threads)", "['ory_guard.client']", id="logout in a thread"
        ),
        pytest.param(
            "async def leave(): asyncio.ensure_future(guard.logout(scope)); await asyncio.sleep(0); print('left')\n"
            "asyncio.run(leave())",
            "left",
            id="exit during the import",
        ),
    ],
)
def test_new_process_imports_the_client_once(code: str, expected: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH_PROCESS + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, expected, "")
