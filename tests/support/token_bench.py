"""A guard with a `TokenVerifier`, a manual clock and a stub of Kratos."""

from typing import Any

from ory_guard import OryGuard, Outcome
from ory_guard.events import Event
from ory_guard.tokens import TokenVerifier
from support.asgi_calls import http_scope
from support.clock import AdjustableClock
from support.guard_bench import settings_of
from support.memory_store import MemoryStore
from support.minting import AUDIENCE, ISSUER, ec_key, jwks_of
from support.scripted_kratos import KratosResponse, ScriptedKratos, refused

KEY = ec_key("k1")


def verifier_of(jwks: Any = None, **options: Any) -> TokenVerifier:
    """Return a verifier with `KEY` or another JWKS."""
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=jwks_of(KEY) if jwks is None else jwks, **options)


class TokenBench:
    """A guard with a `TokenVerifier`."""

    def __init__(
        self,
        verifier: TokenVerifier | None = None,
        *answers: KratosResponse | Exception,
        traits: type[Any] | None = None,
        store: MemoryStore | None = None,
        **settings: Any,
    ) -> None:
        self.clock = AdjustableClock()
        self.kratos = ScriptedKratos(*(answers or (refused(),)))
        self.events: list[Event] = []
        self.guard = OryGuard(
            settings_of(**settings),
            transport=self.kratos,
            clock=self.clock,
            tokens=verifier or verifier_of(),
            traits=traits,
            store=store,
            listeners=[self.events.append],
        )

    async def ask(self, token: str) -> Outcome:
        """Authenticate a request with this token."""
        return await self.guard.authenticate(bearer_scope(token))


def bearer_scope(token: str) -> dict[str, Any]:
    """Return a request with a bearer token."""
    return http_scope(headers=[(b"authorization", b"Bearer " + token.encode())])
