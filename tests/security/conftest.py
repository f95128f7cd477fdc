"""What the security tests share, and the count of what they tried."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from support.raw_kratos import RawKratos

from ory_guard import GuardSettings, OryGuard

from .bench import settings_for
from .users import kratos_with_users


@pytest.fixture
async def kratos() -> AsyncIterator[RawKratos]:
    """A stub that knows Alice and Bob."""
    async with kratos_with_users() as stub:
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
def tried(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """Count what was tried, for the sentence at the end of the run."""
    counts: Counter[str] = Counter()
    yield counts
    request.node.user_properties.append(("tried", dict(counts)))
