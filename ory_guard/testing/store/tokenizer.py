"""Sessions as signed JWTs."""

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from ory_guard.testing.server.response import ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.store.records import new_id

__all__ = ["Tokenizer"]

ALGORITHM: Final = "ES256"


class Tokenizer:
    """Creates the JWTs of `tokenize_as`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._key = ECKey.generate_key("P-256", {"kid": new_id(), "alg": ALGORITHM, "use": "sig"})

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWKS."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def rotate(self) -> None:
        """Replace the signing key; `jwks` then contains only the new key."""
        self._key = ECKey.generate_key("P-256", {"kid": new_id(), "alg": ALGORITHM, "use": "sig"})

    def tokenize(self, name: str, session: Mapping[str, Any]) -> str:
        """Return a JWT for a session document.

        Raises:
            ApiError: If the template does not exist.
        """
        template = self._server.settings.tokenizer_templates.get(name)
        if template is None:
            raise ApiError(400, reason=f'Unknown tokenizer template "{name}".')
        now = self._server.now() // 1_000_000_000
        mapped = {claim: _value(session, path) for claim, path in template.claims.items()}
        claims = {
            **mapped,
            **template.constants,
            "jti": new_id(),
            "iss": f"{self._server.settings.public_url}/",
            "exp": now + int(template.ttl),
            "nbf": now,
            "iat": now,
            "sid": session["id"],
            "sub": session["identity"]["id"],
        }
        header = {"alg": ALGORITHM, "kid": self._key.kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._key)


def _value(document: Any, path: str) -> Any:
    for key in path.split("."):
        document = document.get(key) if isinstance(document, Mapping) else None
    return document
