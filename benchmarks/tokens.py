"""Verification of JWTs: the CPU time of `TokenVerifier.verify`, compared with the signature check alone."""

import asyncio
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable
from time import process_time, time
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwk, jwt

from benchmarks.report import Effort, Section, compare, measurement
from ory_guard.models.clock import SystemClock
from ory_guard.tokens import TokenVerifier

__all__ = ["measure"]

_ISSUER: Final = "http://127.0.0.1:4433/"
_KEY_TYPES: Final[dict[str, Callable[[Any], Any]]] = {
    "ES256": lambda options: jwk.ECKey.generate_key("P-256", options),
    "RS256": lambda options: jwk.RSAKey.generate_key(2_048, options),
}

Call = Callable[[], Awaitable[Any]]


def _calls(algorithm: str) -> dict[str, Call]:
    options: dict[str, Any] = {"kid": "benchmark", "alg": algorithm, "use": "sig"}
    key = _KEY_TYPES[algorithm](options)
    now = int(time())
    claims = {"iss": _ISSUER, "aud": "benchmark", "iat": now, "nbf": now, "exp": now + 600}
    token = jwt.encode(
        {"alg": algorithm, "kid": "benchmark"},
        {**claims, "sub": "an-identity", "sid": "a-session", "jti": "a-token", "email": "ada@example.com"},
        key,
    )
    verifier = TokenVerifier(issuer=_ISSUER, audience="benchmark", jwks={"keys": [key.as_dict(private=False)]})
    clock = SystemClock()
    public_key: Any = key.public_key
    arguments = _verify_arguments(algorithm, token)

    async def verify_signature() -> None:
        public_key.verify(*arguments)

    async def verify_token() -> None:
        if await verifier.verify(token, clock) is None:
            raise RuntimeError(f"the {algorithm} token was rejected")

    return {_signature_row(algorithm): verify_signature, _token_row(algorithm): verify_token}


def _verify_arguments(algorithm: str, token: str) -> tuple[Any, ...]:
    """Return the decoded signature, the signed bytes and the parameters of the algorithm."""
    message, _, encoded = token.encode().rpartition(b".")
    signature = urlsafe_b64decode(encoded + b"==")
    if algorithm == "RS256":
        return signature, message, padding.PKCS1v15(), SHA256()
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return encode_dss_signature(r, s), message, ec.ECDSA(SHA256())


def _signature_row(algorithm: str) -> str:
    return f"cryptography, {algorithm} signature"


def _token_row(algorithm: str) -> str:
    return f"TokenVerifier.verify, {algorithm}"


async def _time(effort: Effort) -> dict[str, list[float]]:
    calls = {name: call for algorithm in _KEY_TYPES for name, call in _calls(algorithm).items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        await call()
    for _ in range(effort.rounds):
        for name, call in calls.items():
            start = process_time()
            for _ in range(effort.requests):
                await call()
            seconds[name].append((process_time() - start) / effort.requests)
    return seconds


def measure(effort: Effort) -> Section:
    """Return the times of a verified token and of its signature alone, for each algorithm."""
    seconds = asyncio.run(_time(effort))
    found = {name: measurement(name, "µs CPU", [each * 1e6 for each in taken]) for name, taken in seconds.items()}
    comparisons = [
        compare(found, _token_row(algorithm), _signature_row(algorithm), at_most=1.25) for algorithm in _KEY_TYPES
    ]
    return Section("Verification of a JWT", tuple(found.values()), tuple(comparisons))
