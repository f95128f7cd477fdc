"""Sessions as JWTs that are verified here, without a round trip to Kratos (extra `tokens`).

Kratos makes them with `tokenize_as`: `guard.client.to_session(tokenize_as=…)`. A token counts for a session until
it ends, and for no more than its claims prove.
"""

try:
    from ory_guard.tokens.verifier import TokenVerifier
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.tokens needs {_error.name}: install the extra with pip install 'ory-guard[tokens]'",
        name=_error.name,
    ) from None

__all__ = ["TokenVerifier"]
