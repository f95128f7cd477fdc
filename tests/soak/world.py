"""Three identities with their sessions over time, and a Kratos with random faults."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Final

from security.bench import session
from support.raw_kratos import UNAUTHORIZED, RawKratos, RawRequest, error_body, raw_response, reset

__all__ = ["NAMES", "Life", "World"]

NAMES: Final = tuple(f"5c2d6a3e-0000-4000-8000-00000000000{name}" for name in "abc")


@dataclass
class Life:
    """One session, from login to its end."""

    owner: str
    session_id: str
    credential: str
    ended_at: float | None = None  # on the monotonic clock, as all times
    revoked_at: float | None = None


@dataclass
class World:
    """The sessions and faults of Kratos."""

    kratos: RawKratos
    chance: random.Random
    lives: dict[str, Life] = field(default_factory=dict)
    by_credential: dict[str, Life] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    broken_until: float = 0.0
    signed_in: int = 0

    def __post_init__(self) -> None:
        self.kratos.handler = self._behave
        for name in NAMES:
            self.sign_in(name)

    def sign_in(self, name: str) -> Life:
        """Create a new session of an identity; the previous one remains active."""
        self.signed_in += 1
        life = Life(name, f"77d1c4b0-0000-4000-8000-{self.signed_in:012}", f"{name[-1]}-{self.signed_in}")
        self.lives[name] = self.by_credential[life.credential] = life
        return life

    def _answer(self, request: RawRequest) -> bytes:
        life = self.by_credential.get(request.credential.decode())
        if life is None or life.ended_at is not None:
            return UNAUTHORIZED
        return raw_response(session(life.owner, id=life.session_id))

    def _fault(self) -> str:
        if time.monotonic() < self.broken_until:
            return self.chance.choice(("reset", "500", "hang", "half"))
        return self.chance.choices(
            ("none", "slow", "reset", "half", "500", "429", "nonsense", "close"), (900, 40, 5, 5, 5, 1, 3, 20)
        )[0]

    async def _behave(self, request: RawRequest, writer: asyncio.StreamWriter) -> None:
        fault = self._fault()
        self.faults[fault] = self.faults.get(fault, 0) + 1
        reply = self._answer(request)  # computed before the delay, so that a late response is outdated
        match fault:
            case "slow":
                await asyncio.sleep(self.chance.uniform(0, 0.1))
                writer.write(reply)
            case "hang":
                await asyncio.sleep(0.8)
                reset(writer)
            case "reset":
                reset(writer)
            case "half":
                writer.write(reply[: self.chance.randrange(len(reply))])
                writer.close()
            case "500" | "429":
                writer.write(raw_response(error_body(int(fault)), int(fault)))
            case "nonsense":
                writer.write(raw_response(b"<html>"))
            case "close":
                writer.write(reply)
                writer.close()
            case _:
                writer.write(reply)
