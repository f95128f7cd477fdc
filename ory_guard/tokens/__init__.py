"""Verification of the JWTs that Kratos issues for sessions, without a request to Kratos (extra `tokens`).

Kratos issues them with `tokenize_as`: `guard.client.to_session(tokenize_as=…)`. A token is accepted as a session
until it expires, and proves only its claims.
"""

try:
    from ory_guard.tokens.verifier import TokenVerifier
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.tokens needs {_error.name}: install the extra with pip install 'ory-guard[tokens]'",
        name=_error.name,
    ) from None

__all__ = ["TokenVerifier"]
