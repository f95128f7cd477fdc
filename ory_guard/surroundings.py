"""What the parts of one guard have in common."""

from typing import Any, NamedTuple

from ory_guard.cache import Clock, SessionCache
from ory_guard.events import Listeners
from ory_guard.settings import GuardSettings

__all__ = ["Surroundings"]


class Surroundings(NamedTuple):
    """What one guard is set up with.

    Attributes:
        settings: Its settings.
        traits: The application's model of the traits, or None.
        cache: Where answers are kept.
        clock: Where the time comes from.
        listeners: Who is told.
    """

    settings: GuardSettings
    traits: type[Any] | None
    cache: SessionCache
    clock: Clock
    listeners: Listeners
