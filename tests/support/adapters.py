"""The adapter to Kratos, made from the settings of a guard."""

import random
from collections.abc import Callable
from typing import Any

from ory_guard import GuardSettings
from ory_guard.kratos.http import Transport
from ory_guard.kratos.session_parser import SessionParser
from ory_guard.kratos.whoami import WhoamiClient

__all__ = ["parser_of", "whoami_client_of"]


def parser_of(
    settings: GuardSettings, traits: type[Any] | None = None, random: Callable[[], float] = random.random
) -> SessionParser:
    """Return the parser of a guard with these settings."""
    return SessionParser(
        traits,
        cache_ttl=settings.cache_ttl,
        negative_ttl=settings.negative_ttl,
        clock_skew=settings.clock_skew,
        random=random,
    )


def whoami_client_of(settings: GuardSettings, transport: Transport | None = None) -> WhoamiClient:
    """Return the whoami client of a guard with these settings."""
    return WhoamiClient(
        settings.kratos_public_url,
        timeout=settings.timeout,
        max_response_bytes=settings.max_response_bytes,
        max_concurrency=settings.max_upstream_concurrency,
        transport=transport,
    )
