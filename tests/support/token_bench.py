"""A guard with a `TokenVerifier`."""

from typing import Any

from ory_guard import Outcome
from ory_guard.tokens import TokenVerifier
from support.asgi_calls import http_scope
from support.guard_bench import Bench
from support.minting import AUDIENCE, ISSUER, ec_key, jwks_of
from support.scripted_kratos import ScriptedReply, refused

KEY = ec_key("k1")


def verifier_of(jwks: Any = None, **options: Any) -> TokenVerifier:
    """Return a verifier with `KEY` or another JWKS."""
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, jwks=jwks_of(KEY) if jwks is None else jwks, **options)


class TokenBench(Bench):
    """A guard with a `TokenVerifier`; Kratos responds with 401 by default."""

    def __init__(self, verifier: TokenVerifier | None = None, *responses: ScriptedReply, **options: Any) -> None:
        super().__init__(*(responses or (refused(),)), tokens=verifier or verifier_of(), **options)

    async def ask(self, token: str) -> Outcome:
        """Authenticate a request with a token."""
        return await self.guard.authenticate(bearer_scope(token))


def bearer_scope(token: str) -> dict[str, Any]:
    """Return a request with a bearer token."""
    return http_scope(headers=[(b"authorization", b"Bearer " + token.encode())])
