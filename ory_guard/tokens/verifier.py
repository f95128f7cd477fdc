"""`TokenVerifier`: verifies the JWTs that Kratos issues for sessions (`tokenize_as`)."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import Key

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.jwt import VerifiedToken
from ory_guard.kratos.document import Document
from ory_guard.kratos.http import Transport
from ory_guard.models.clock import Clock
from ory_guard.tokens.claims import ClaimsValidator
from ory_guard.tokens.jwks import ALGORITHMS, key_matches, read_jwks
from ory_guard.tokens.key_source import KeySource, RefreshingKeys, StaticKeys

__all__ = ["TokenVerifier"]

_MAX_KID_CHARS: Final = 256
_TIMEOUT: Final = 2.0


class TokenVerifier:
    """Verifies JWTs of Kratos by signature and claims, and returns their sessions.

    Args:
        issuer: The exact value of `iss`: Kratos' public URL with a trailing slash.
        audience: The value that `aud` must equal or contain. The tokenizer template has to set it.
        jwks: The public keys: a JWKS, the path of a file with a JWKS, or an http(s) URL.
        algorithms: The accepted signature algorithms, asymmetric ones only.
        max_lifetime: The maximum time from `iat` to `exp`, in seconds. A session that is revoked only at Kratos
            remains usable for this time.
        clock_skew: The tolerated difference from Kratos' clock, in seconds.
        cooldown: The minimum time between two reads of a file or URL, in seconds.
        refresh_after: The age at which keys in use are refreshed, in seconds.
        max_stale: The age at which keys are no longer used if the refresh fails, in seconds.
        transport: The HTTP transport for a URL instead of the verifier's own; the verifier does not close it.

    Attributes:
        max_lifetime: The maximum time from `iat` to `exp`, in seconds.
        clock_skew: The tolerated difference from Kratos' clock, in seconds.

    Raises:
        ConfigurationError: If a value is invalid, or if the keys are not readable.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        jwks: Mapping[str, Any] | str | Path,
        algorithms: Collection[str] = ("ES256", "ES384", "ES512", "RS256", "PS256"),
        max_lifetime: float = 600.0,
        clock_skew: float = 60.0,
        cooldown: float = 30.0,
        refresh_after: float = 300.0,
        max_stale: float = 86_400.0,
        transport: Transport | None = None,
    ) -> None:
        _validate_arguments(issuer, audience, algorithms, max_lifetime)
        self.max_lifetime = max_lifetime
        self.clock_skew = clock_skew
        self._claims = ClaimsValidator(issuer, audience, max_lifetime, clock_skew)
        self._algorithms = frozenset(algorithms)
        timers = {"cooldown": cooldown, "refresh_after": refresh_after, "max_stale": max_stale}
        self._keys: KeySource
        try:
            if isinstance(jwks, Mapping):
                self._keys = StaticKeys(read_jwks(jwks))
            elif isinstance(jwks, str) and jwks.startswith(("http://", "https://")):
                self._keys = RefreshingKeys(Document(jwks, timeout=_TIMEOUT, transport=transport).fetch, **timers)
            else:
                read_jwks(Path(jwks).read_bytes())
                self._keys = RefreshingKeys(_FileReader(Path(jwks)), **timers)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"jwks: {error}") from None

    def __repr__(self) -> str:
        return f"<TokenVerifier {', '.join(sorted(self._algorithms))}>"

    async def verify(self, token: str, clock: Clock) -> VerifiedToken | None:
        """Return the session of a token, or None if the token is not valid.

        Raises:
            JWKSUnavailable: If keys are unavailable.
        """
        signed = self._parse(token)
        if signed is None:
            return None
        keys = await self._keys.find(signed.headers()["kid"], clock)
        claims = _verified_claims(signed, keys)
        return None if claims is None else self._claims.validate(claims, clock.time())

    def _parse(self, token: str) -> jws.CompactSignature | None:
        try:
            signed = jws.extract_compact(token.encode())
            header = signed.headers()
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in self._algorithms or "crit" in header or "b64" in header:
                return None
        except Exception:  # noqa: BLE001 - the token is untrusted input
            return None
        return signed if isinstance(kid, str) and len(kid) <= _MAX_KID_CHARS else None

    async def aclose(self) -> None:
        """Cancel a refresh of the keys in the running event loop."""
        await self._keys.aclose()


class _FileReader:
    """Reads a small local file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self) -> bytes:
        return self._path.read_bytes()


def _verified_claims(signed: jws.CompactSignature, keys: Iterable[Key]) -> dict[str, Any] | None:
    algorithm = signed.headers()["alg"]
    try:
        if not any(key_matches(key, algorithm) and jws.validate_compact(signed, key, [algorithm]) for key in keys):
            return None
        claims = json.loads(signed.payload)
    except Exception:  # noqa: BLE001 - the token is untrusted input
        return None
    return claims if isinstance(claims, dict) else None


def _validate_arguments(issuer: str, audience: str, algorithms: Collection[str], max_lifetime: float) -> None:
    if not issuer or not audience:
        raise ConfigurationError("issuer and audience must not be empty")
    unknown = sorted(set(algorithms) - set(ALGORITHMS))
    if unknown or not algorithms or isinstance(algorithms, str):
        raise ConfigurationError(
            f"algorithms must be a non-empty list of {', '.join(ALGORITHMS)} (got {algorithms!r})"
        )
    if not 0 < max_lifetime <= 86_400:
        raise ConfigurationError(f"max_lifetime must be between 0 and 86400 seconds (got {max_lifetime!r})")
