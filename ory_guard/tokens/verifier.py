"""`TokenVerifier`: verifies the JWTs that Kratos issues for sessions (`tokenize_as`)."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.jwt import VerifiedToken
from ory_guard.kratos.http import Transport
from ory_guard.kratos.json_document import JSONDocument
from ory_guard.kratos.urls import origin_of
from ory_guard.models.clock import Clock
from ory_guard.tokens.algorithms import ALGORITHMS, has_valid_length
from ory_guard.tokens.claims import ClaimsValidator
from ory_guard.tokens.compact_serialization import CompactParser, SignedToken
from ory_guard.tokens.jwks import NO_USABLE_KEY, KeyRing, VerificationKey, read_jwks
from ory_guard.tokens.key_source import KeySource, RefreshingKeys, StaticKeys

__all__ = ["TokenVerifier", "is_signed_by"]

_TIMEOUT: Final = 2.0
_MAX_CLOCK_SKEW: Final = 600.0


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
        max_stale: The age at which keys are no longer used if the refresh of a file or URL fails, in seconds.
        transport: The HTTP transport for a URL instead of the verifier's own; the verifier does not close it.

    Attributes:
        max_lifetime: The maximum time from `iat` to `exp`, in seconds.
        clock_skew: The tolerated difference from Kratos' clock, in seconds.

    Raises:
        ConfigurationError: If a value is invalid, or if a JWKS or a file is not readable or has no usable key.
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
        max_stale: float = 86_400.0,
        transport: Transport | None = None,
    ) -> None:
        _validate_identifiers(issuer, audience, algorithms)
        _validate_durations(max_lifetime, clock_skew, max_stale)
        self.max_lifetime = max_lifetime
        self.clock_skew = clock_skew
        self._claims = ClaimsValidator(issuer, audience, max_lifetime, clock_skew)
        self._algorithms = frozenset(algorithms)
        self._parser = CompactParser(self._algorithms)
        try:
            self._keys = _key_source(jwks, self._algorithms, max_stale, transport)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"jwks: {error}") from None

    def __repr__(self) -> str:
        return f"<TokenVerifier {', '.join(sorted(self._algorithms))}>"

    async def verify(self, token: str, clock: Clock) -> VerifiedToken | None:
        """Return the session of a token, or None if the token is not valid.

        Raises:
            JWKSUnavailable: If keys are unavailable.
        """
        signed = self._parser.parse(token)
        if signed is None:
            return None
        (algorithm, kid), _, _, payload, signature = signed
        keys = self._keys.known(kid, clock)
        if keys is None:
            # A token that is invalid with any key must not cause a refresh.
            if not has_valid_length(algorithm, signature) or self._claims.validate(payload, clock.time()) is None:
                return None
            keys = await self._keys.find(kid, clock)
        if not is_signed_by(signed, keys):
            return None
        self._parser.remember(signed)
        return self._claims.validate(payload, clock.time())

    async def aclose(self) -> None:
        """Cancel a refresh of the keys in the running event loop."""
        await self._keys.aclose()


def is_signed_by(token: SignedToken, keys: Iterable[VerificationKey]) -> bool:
    """Return whether one of the keys has signed the token with its algorithm."""
    (algorithm, _), _, signing_input, _, signature = token
    for key in keys:
        verify = key.get(algorithm)
        if verify is not None and verify(signature, signing_input):
            return True
    return False


def _key_source(
    jwks: Mapping[str, Any] | str | Path, algorithms: Collection[str], max_stale: float, transport: Transport | None
) -> KeySource:
    if isinstance(jwks, Mapping):
        return StaticKeys(_read_usable(jwks, algorithms))
    if isinstance(jwks, str) and jwks.startswith(("http://", "https://")):
        read, source = JSONDocument(jwks, timeout=_TIMEOUT, transport=transport).fetch, origin_of(jwks)
    else:
        read, source = _FileReader(Path(jwks)), str(jwks)
        _read_usable(Path(jwks).read_bytes(), algorithms)
    return RefreshingKeys(read, source=source, algorithms=algorithms, max_stale=max_stale)


def _read_usable(document: bytes | Mapping[str, Any], algorithms: Collection[str]) -> KeyRing:
    ring = read_jwks(document, algorithms)
    if not ring:
        raise ValueError(NO_USABLE_KEY)
    return ring


class _FileReader:
    """Reads a small local file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self) -> bytes:
        return self._path.read_bytes()


def _validate_identifiers(issuer: Any, audience: Any, algorithms: Collection[str]) -> None:
    if not (isinstance(issuer, str) and issuer and isinstance(audience, str) and audience):
        raise ConfigurationError(
            f"issuer and audience must not be empty, and must be strings (got {issuer!r} and {audience!r})"
        )
    if not algorithms or isinstance(algorithms, str) or not set(algorithms) <= set(ALGORITHMS):
        raise ConfigurationError(
            f"algorithms must be a non-empty list of {', '.join(ALGORITHMS)} (got {algorithms!r})"
        )


def _validate_durations(max_lifetime: float, clock_skew: float, max_stale: float) -> None:
    if not 0 < max_lifetime <= 86_400:
        raise ConfigurationError(f"max_lifetime must be between 0 and 86400 seconds (got {max_lifetime!r})")
    if not 0 <= clock_skew <= _MAX_CLOCK_SKEW:
        raise ConfigurationError(f"clock_skew must be between 0 and 600 seconds (got {clock_skew!r})")
    if not max_stale > 0:
        raise ConfigurationError(f"max_stale must be more than 0 seconds (got {max_stale!r})")
