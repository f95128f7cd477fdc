"""What the security tests share, and the count that they end with."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from ory_guard import GuardSettings, OryGuard

from .bench import settings_for
from .raw_stub import RawKratos

_tried: Counter[str] = Counter()


@pytest.fixture
async def kratos() -> AsyncIterator[RawKratos]:
    """A stub that knows Alice and Bob."""
    async with RawKratos() as stub:
        yield stub


@pytest.fixture
def settings(kratos: RawKratos) -> GuardSettings:
    """The application is https://app.example.com, `/health` is exempt, and a check may take its time."""
    return settings_for(kratos)


@pytest.fixture
async def guard(settings: GuardSettings) -> AsyncIterator[OryGuard]:
    """A guard that asks the stub."""
    made = OryGuard(settings)
    yield made
    await made.aclose()


@pytest.fixture
def tried() -> Counter[str]:
    """Count what was tried, for the sentence at the end of the run."""
    return _tried


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much was tried."""
    if not _tried:
        return
    stats = terminalreporter.stats
    failed = any("security" in report.nodeid for kind in ("failed", "error") for report in stats.get(kind, ()))
    ending = "see the failures above" if failed else "none let in, none lost, none leaked"
    parts = ", ".join(f"{number:,} {what}" for what, number in sorted(_tried.items()))
    terminalreporter.write_line(f"security: {parts} tried: {ending}")
