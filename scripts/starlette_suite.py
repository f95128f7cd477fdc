"""Run Starlette's own tests through OrySessionMiddleware, and print the tests whose result differs.

Usage: python scripts/starlette_suite.py PATH [ARGUMENTS OF PYTEST]

PATH is a checkout of Starlette in the installed version, with its test dependencies in this environment. The tests
run twice: unchanged, and with `OrySessionMiddleware` around the application of each TestClient. On trio they are
not run, because ory_guard is asyncio only. The exit code is 1 if a result differs.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
import starlette.testclient

from ory_guard import GuardSettings, OryGuard, OrySessionMiddleware
from ory_guard.testing import FakeKratos

_RESULT = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL) ?(tests/\S+.*?)(?: - .*)?$", re.MULTILINE)


class AroundTestClient:
    """A pytest plugin that puts the middleware around the application of each TestClient."""

    def pytest_configure(self) -> None:
        """Replace the constructor of TestClient."""
        original = starlette.testclient.TestClient.__init__
        settings = GuardSettings(kratos_public_url="http://127.0.0.1:4433", app_url="http://testserver")
        guard = OryGuard(settings, transport=httpx2.ASGITransport(app=FakeKratos().app))

        def init(test_client: Any, app: Any, *arguments: Any, **keywords: Any) -> None:
            if not starlette.testclient._is_asgi3(app):
                app = starlette.testclient._WrapASGI2(app)
            original(test_client, OrySessionMiddleware(app, guard=guard), *arguments, **keywords)

        starlette.testclient.TestClient.__init__ = init  # type: ignore[method-assign, assignment] # a test plugin


def results(checkout: Path, arguments: list[str], *, wrapped: bool) -> dict[str, str]:
    """Run the tests in another process, and return the result of each."""
    command = [sys.executable, __file__, "--run", "wrapped" if wrapped else "unchanged", *arguments]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    found = {test: result for result, test in _RESULT.findall(done.stdout)}
    if not found:
        sys.exit(f"the tests did not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return found


def main(arguments: list[str]) -> int:
    """Compare both runs."""
    if arguments[:1] == ["--run"]:
        plugins = [AroundTestClient()] if arguments[1] == "wrapped" else []
        options = ["-q", "-rA", "-p", "no:cacheprovider", "-W", "ignore", "-k", "not trio", "tests"]
        return pytest.main([*options, *arguments[2:]], plugins=plugins)
    if not arguments:
        sys.exit(str(__doc__))
    checkout = Path(arguments[0])
    before, after = (results(checkout, arguments[1:], wrapped=wrapped) for wrapped in (False, True))
    differing = [test for test in sorted({*before, *after}) if before.get(test) != after.get(test)]
    for test in differing:
        print(f"{before.get(test)} -> {after.get(test)}: {test}")
    print(f"{len(before)} tests, {len(differing)} different results")
    return int(bool(differing))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
