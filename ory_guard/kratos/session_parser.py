"""What an answer of Kratos' `/sessions/whoami` means, and for how long.

Status first, then body: a 401 of Kratos has no `error.id`. Whatever is not one of the few answers that Kratos
gives is nonsense, and nonsense is `Unavailable`: it lets nobody in and logs nobody out.
"""

import json
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ory_guard.kratos.http import HTTPResponse
from ory_guard.models.credential import Credential
from ory_guard.models.frozen import refuse_mutable_model
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.models.session import Session

__all__ = ["ParsedSession", "SessionParser", "retry_after_seconds"]

_log = logging.getLogger("ory_guard")

LONGEST_RETRY_AFTER: Final = 60
_GREATEST_SHORTENING: Final = 0.05


class ParsedSession(NamedTuple):
    """What an answer means.

    Attributes:
        outcome: The answer as an outcome, as old as the question.
        ttl: Seconds for which it may be kept; 0 for not at all.
        set_cookies: The session cookie's `Set-Cookie` values, for the requests that waited for this answer.
        body: The session's JSON, where it is one.
    """

    outcome: CacheableOutcome | Unavailable
    ttl: float = 0.0
    set_cookies: tuple[bytes, ...] = ()
    body: bytes = b""


class SessionParser:
    """Reads answers under one set of settings.

    Args:
        traits: The application's model of the traits, or None for a read-only dict.
        cache_ttl: The longest lifetime of a session, in seconds.
        negative_ttl: The lifetime of a refusal, in seconds.
        clock_skew: The largest difference between Kratos' clock and this host's, in seconds.
        draw: Gives a number from 0 to below 1, by which a session's ttl is shortened: 1 would be 5 %. Sessions
            that were asked for together are then not all asked for again together.
    """

    def __init__(
        self,
        traits: type[Any] | None = None,
        *,
        cache_ttl: float,
        negative_ttl: float,
        clock_skew: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._cache_ttl = cache_ttl
        self._negative_ttl = negative_ttl
        self._clock_skew = clock_skew
        self._draw = draw
        self._session_model: type[Session[Any]] = Session if traits is None else _typed(traits)

    def read(self, answer: HTTPResponse, credential: Credential, now: float) -> ParsedSession:
        """Return what the answer to this credential means at the wall-clock time `now`."""
        if answer.status == 200:
            return self._read_session(answer, credential, now)
        if answer.status == 401:
            kept = self._negative_ttl if _error_of(answer).get("code") == 401 else 0.0
            return ParsedSession(Rejected("inactive", credential.kind), kept)
        if answer.status == 403:
            return self._read_forbidden(answer, credential)
        if answer.status == 429:
            _log.warning("whoami.failed reason=rate_limited: status 429")
            return ParsedSession(Unavailable("rate_limited", retry_after_seconds(answer.header(b"retry-after"))))
        if answer.status >= 500:
            _log.warning("whoami.failed reason=unreachable: status %d", answer.status)
            return ParsedSession(Unavailable("unreachable"))
        _log.error(
            "whoami.unexpected status=%d: kratos_public_url does not look like Kratos' public API",
            answer.status,
        )
        return ParsedSession(Unavailable("protocol"))

    def _read_session(self, answer: HTTPResponse, credential: Credential, now: float) -> ParsedSession:
        if not answer.is_json():
            return _nonsense("the body is not plain JSON")
        try:
            session = self._session_model.model_validate_json(answer.body)
        except ValidationError as error:
            places = {_place(fault) for fault in error.errors(include_input=False)}
            return _nonsense(f"the session is not readable at {', '.join(sorted(places))}")
        left = session.expires_at.timestamp() - now
        if not self._is_live(session, left):
            return ParsedSession(Rejected("inactive", credential.kind), self._negative_ttl)
        ttl = self.shortened(min(self._cache_ttl, left, _cache_for(answer, self._cache_ttl)))
        outcome = Authenticated(session, credential.kind, "upstream", 0.0)
        return ParsedSession(
            outcome, max(ttl, 0.0), tuple(_session_cookies(answer.headers, credential)), answer.body
        )

    def read_stored(self, body: bytes, now: float) -> Session[Any] | None:
        """Return the session that another process was answered with, or None where it can't be used."""
        try:
            session = self._session_model.model_validate_json(body)
        except ValidationError:
            return None
        return session if self._is_live(session, session.expires_at.timestamp() - now) else None

    def read_claims(self, claims: Mapping[str, Any]) -> Session[Any] | None:
        """Return the session that a token's claims describe in Kratos' form, or None where they don't."""
        try:
            return self._session_model.model_validate(claims)
        except ValidationError:
            return None

    def shortened(self, ttl: float) -> float:
        """Return a ttl that ends by chance up to 5 % earlier."""
        return ttl * (1 - _GREATEST_SHORTENING * self._draw())

    def _is_live(self, session: Session[Any], left: float) -> bool:
        return session.active and session.identity.state != "inactive" and left >= -self._clock_skew

    def _read_forbidden(self, answer: HTTPResponse, credential: Credential) -> ParsedSession:
        error_id = _error_of(answer).get("id")
        if error_id in ("session_aal2_required", "session_aal2_enrollment_required"):
            enrolled = error_id == "session_aal2_required"
            return ParsedSession(SecondFactorRequired(credential.kind, enrolled), self._negative_ttl)
        if error_id == "session_credential_required":
            return ParsedSession(Rejected("inactive", credential.kind), self._negative_ttl)
        return _nonsense("a 403 without an error id that is known")


def _place(fault: ErrorDetails) -> str:
    text = ".".join(map(str, fault["loc"])) or "body"
    if fault["type"] == "mutable":
        return f"{text} ({fault['msg']})"
    return text if text.isprintable() else ascii(text)  # keys of traits may be their owner's


def _typed(traits: type[Any]) -> type[Session[Any]]:
    refuse_mutable_model(traits)
    return cast("type[Session[Any]]", Session.__class_getitem__(traits))


def _nonsense(what: str) -> ParsedSession:
    _log.error("whoami.nonsense: %s", what)
    return ParsedSession(Unavailable("protocol"))


def _error_of(answer: HTTPResponse) -> dict[str, Any]:
    if not answer.is_json():
        return {}
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _cache_for(answer: HTTPResponse, otherwise: float) -> float:
    sent = answer.header(b"ory-session-cache-for")
    if sent is None:
        return otherwise
    # A lifetime that is no number of seconds counts as none at all (RFC 9111, section 4.2.1).
    return float(sent[:9]) if sent.isdigit() else 0.0


def _session_cookies(headers: Iterable[tuple[bytes, bytes]], credential: Credential) -> Iterable[bytes]:
    if credential.kind == "cookie":
        for name, value in headers:
            if name == b"set-cookie" and value.startswith(credential.name + b"="):
                yield value


def retry_after_seconds(value: bytes | None) -> int:
    """Return the seconds that a `Retry-After` header asks for, brought into 1 to 60."""
    if value is None or not value.isdigit():
        return 1
    return min(max(int(value[:9]), 1), LONGEST_RETRY_AFTER)
