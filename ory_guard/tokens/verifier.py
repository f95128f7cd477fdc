"""Verifies the JWTs that Kratos makes of sessions (`tokenize_as`)."""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from joserfc import jws
from joserfc.jwk import Key

from ory_guard.cache import Clock
from ory_guard.exceptions import ConfigurationError
from ory_guard.fetch import Document
from ory_guard.token_checks import VerifiedToken
from ory_guard.tokens.claims import ClaimRules
from ory_guard.tokens.jwks import ALGORITHMS, fits, read_jwks
from ory_guard.tokens.key_source import FixedKeys, KeySource, ReadKeys
from ory_guard.upstream import Transport

__all__ = ["TokenVerifier"]

_LONGEST_KID: Final = 256
_TIMEOUT: Final = 2.0


class TokenVerifier:
    """Tells whose session a JWT stands for, by its signature and claims alone.

    Args:
        issuer: What `iss` must be, to the letter: Kratos' public URL, with the slash that Kratos puts at its end.
        audience: What `aud` must be or contain; the tokenizer template has to map it, since Kratos sets none.
        jwks: The public keys: a JWKS, the path of a file with one, or its http(s) URL.
        algorithms: Which signatures are accepted; asymmetric ones only.
        max_lifetime: The longest time, in seconds, from `iat` to `exp`: for so long a session that was revoked at
            Kratos alone may still be used here.
        clock_skew: How far, in seconds, Kratos' clock and ours may differ.
        cooldown: The shortest time, in seconds, between two looks at a file or URL.
        refresh_after: Seconds after which a file or URL is looked at again.
        max_stale: Seconds after which keys that could not be read again are no longer used.
        transport: The HTTP transport to use for a URL instead of one of our own; it is not closed.

    Attributes:
        max_lifetime: As above.
        clock_skew: As above.

    Raises:
        ConfigurationError: A value is wrong, or the keys can't be read.
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
        _check(issuer, audience, algorithms, max_lifetime)
        self.max_lifetime = max_lifetime
        self.clock_skew = clock_skew
        self._rules = ClaimRules(issuer, audience, max_lifetime, clock_skew)
        self._algorithms = frozenset(algorithms)
        times = {"cooldown": cooldown, "refresh_after": refresh_after, "max_stale": max_stale}
        self._keys: KeySource
        try:
            if isinstance(jwks, Mapping):
                self._keys = FixedKeys(read_jwks(jwks))
            elif isinstance(jwks, str) and jwks.startswith(("http://", "https://")):
                self._keys = ReadKeys(Document(jwks, timeout=_TIMEOUT, transport=transport).fetch, **times)
            else:
                read_jwks(Path(jwks).read_bytes())
                self._keys = ReadKeys(_FileReader(Path(jwks)), **times)
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"jwks: {error}") from None

    def __repr__(self) -> str:
        return f"<TokenVerifier {', '.join(sorted(self._algorithms))}>"

    async def verify(self, token: str, clock: Clock) -> VerifiedToken | None:
        """Return what the token says, or None where it is not ours or no longer good.

        Raises:
            KeysUnavailable: There are no keys to verify it with.
        """
        signed = self._open(token)
        if signed is None:
            return None
        keys = await self._keys.find(signed.headers()["kid"], clock)
        claims = _claims_of(signed, keys)
        return None if claims is None else self._rules.read(claims, clock.time())

    def _open(self, token: str) -> jws.CompactSignature | None:
        try:
            signed = jws.extract_compact(token.encode())
            header = signed.headers()
            algorithm, kid = header.get("alg"), header.get("kid")
            if algorithm not in self._algorithms or "crit" in header or "b64" in header:
                return None
        except Exception:  # noqa: BLE001 - by place, not by class: anybody can send anything
            return None
        return signed if isinstance(kid, str) and len(kid) <= _LONGEST_KID else None

    async def aclose(self) -> None:
        """End what is under way in the running loop."""
        await self._keys.aclose()


class _FileReader:
    """Reads a file that is small and local."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def __call__(self) -> bytes:
        return self._path.read_bytes()


def _claims_of(signed: jws.CompactSignature, keys: Iterable[Key]) -> dict[str, Any] | None:
    algorithm = signed.headers()["alg"]
    try:
        if not any(fits(key, algorithm) and jws.validate_compact(signed, key, [algorithm]) for key in keys):
            return None
        claims = json.loads(signed.payload)
    except Exception:  # noqa: BLE001 - by place, not by class: anybody can send anything
        return None
    return claims if isinstance(claims, dict) else None


def _check(issuer: str, audience: str, algorithms: Collection[str], max_lifetime: float) -> None:
    if not issuer or not audience:
        raise ConfigurationError("issuer and audience: neither may be empty, or tokens of others would be taken")
    unknown = sorted(set(algorithms) - set(ALGORITHMS))
    if unknown or not algorithms or isinstance(algorithms, str):
        raise ConfigurationError(f"algorithms: {algorithms!r} is not allowed: use some of {', '.join(ALGORITHMS)}")
    if not 0 < max_lifetime <= 86_400:
        raise ConfigurationError(f"max_lifetime: {max_lifetime!r} is not allowed: use seconds, at most 86400")
