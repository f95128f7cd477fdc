"""Parse the response of `/sessions/whoami` into an outcome and its lifetime.

The status is evaluated before the body, because Kratos' 401 has no `error.id`. A response that is not documented
for Kratos becomes `Unavailable`: it neither authenticates nor logs out a user.
"""

import json
import logging
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from zlib import crc32

from pydantic import VERSION, ValidationError
from pydantic_core import ErrorDetails, to_json

from ory_guard import __version__
from ory_guard.events.limited_log import LimitedLog
from ory_guard.kratos.cache_lifetimes import CacheLifetimes
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.json_limits import JSONTooComplex, measure_session
from ory_guard.kratos.retry_after import retry_after_seconds
from ory_guard.models.credential import Credential
from ory_guard.models.frozen import refuse_mutable_model
from ory_guard.models.outcomes import Authenticated, CacheableOutcome, Rejected, SecondFactorRequired, Unavailable
from ory_guard.models.session import Session

__all__ = ["ParsedSession", "SessionParser", "SizedSession"]

_FIX: Final = "set kratos_public_url to the URL of Kratos' public API (default port 4433), and run ory-guard doctor"
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple
_MAX_LOGGED_FIELDS: Final = 10
_MAX_ERRORS: Final = 100  # the details of each take longer than its value
_VERSIONS: Final = crc32(f"{__version__} {VERSION}".encode())


class ParsedSession(NamedTuple):
    """A parsed response: its outcome and its lifetime.

    Attributes:
        outcome: The outcome, with age 0.
        ttl: The lifetime in a cache, in seconds; 0 if the outcome must not be cached.
        set_cookies: The `Set-Cookie` values of the session cookie, for the requests that share this response.
        body: The JSON of the session, empty for other outcomes.
        memory_bytes: The estimated memory of the session, in bytes; 0 for other outcomes.
    """

    outcome: CacheableOutcome | Unavailable
    ttl: float = 0.0
    set_cookies: tuple[bytes, ...] = ()
    body: bytes = b""
    memory_bytes: int = 0


class SizedSession(NamedTuple):
    """A session with its JSON.

    Attributes:
        session: The session.
        body: Its JSON.
        memory_bytes: The estimated memory of the session, in bytes.
    """

    session: "Session[Any]"
    body: bytes
    memory_bytes: int


class SessionParser:
    """Parses responses, stored sessions and the claims of tokens.

    Args:
        traits: The application's model of the traits, or None for a read-only dict.
        lifetimes: The lifetimes of cache entries.
        clock_skew: The tolerated difference between Kratos' clock and the clock of this host, in seconds.
        log: The log of failed checks; by default, with the monotonic clock of the system.

    Attributes:
        lifetimes: The lifetimes of cache entries.

    Raises:
        ConfigurationError: If `traits` is a mutable model.
    """

    def __init__(
        self,
        traits: type[Any] | None = None,
        *,
        lifetimes: CacheLifetimes,
        clock_skew: float,
        log: LimitedLog | None = None,
    ) -> None:
        self.lifetimes: Final = lifetimes
        self._clock_skew = clock_skew
        self._log = log or LimitedLog(time.monotonic)
        self._session_model: type[Session[Any]] = Session if traits is None else _session_model(traits)

    def parse(self, response: HTTPResponse, credential: Credential, now: float) -> ParsedSession:
        """Return the meaning of the response to a credential at the wall-clock time `now`."""
        if response.status == 200:
            return self._parse_session(response, credential, now)
        if response.status == 401:
            if _error_of(response).get("code") != 401:
                return self._protocol_error(f"the 401 has no error of Kratos, so it may come from a proxy; {_FIX}")
            return ParsedSession(Rejected("inactive", credential.kind), self.lifetimes.rejected)
        if response.status == 403:
            return self._parse_forbidden(response, credential)
        if response.status == 429:
            self._log.write(logging.WARNING, "429", "whoami.failed reason=rate_limited: status 429")
            seconds = retry_after_seconds(response.header(b"retry-after"), now)
            return ParsedSession(Unavailable("rate_limited", seconds))
        if response.status >= 500:
            text = "whoami.failed reason=unreachable: status %d"
            self._log.write(logging.WARNING, "5xx", text, response.status)
            return ParsedSession(Unavailable("unreachable"))
        self._log.write(
            logging.ERROR,
            "unexpected",
            "whoami.unexpected status=%d: the response is not from Kratos' public API%s; %s",
            response.status,
            _server_of(response),
            _FIX,
        )
        return ParsedSession(Unavailable("protocol"))

    def _parse_session(self, response: HTTPResponse, credential: Credential, now: float) -> ParsedSession:
        if not response.is_json():
            return self._protocol_error(f"the body is not plain JSON{_server_of(response)}; {_FIX}")
        try:
            size = measure_session(response.body)
            session = self._session_model.model_validate_json(response.body)
        except JSONTooComplex as error:
            return self._protocol_error(f"the session is too complex: {error}")
        except ValidationError as error:
            return self._protocol_error(_description_of(error))
        seconds_left = session.expires_at.timestamp() - now
        if not self._is_active(session, seconds_left):
            return ParsedSession(Rejected("inactive", credential.kind), self.lifetimes.rejected)
        ttl = self.lifetimes.of_session(seconds_left, response)
        outcome = Authenticated(session, credential.kind, "upstream", 0.0)
        set_cookies = _session_cookies(response, credential)
        return ParsedSession(outcome, ttl, set_cookies, response.body, size.memory_bytes)

    def parse_stored(self, body: bytes, now: float, memory_bytes: int = 0) -> SizedSession | None:
        """Return the session from a body that another process stored, or None if it is invalid or has ended.

        Args:
            body: The body.
            now: The time in seconds since the epoch.
            memory_bytes: The estimate of the process that stored the body and limited its size, or 0.
        """
        if memory_bytes > 0:
            session = self.parse_again(body)
            parsed = None if session is None else _new(SizedSession, (session, body, memory_bytes))
        else:
            parsed = self._parse_body(body)
        if parsed is None or not self._is_active(parsed[0], parsed[0].expires_at.timestamp() - now):
            return None
        return parsed

    def checksum(self, body: bytes, session_id: str, identity_id: str, fresh_until: float) -> int:
        """Return a checksum of a valid body, its ids and the end of its lifetime, in seconds since the epoch.

        With it, processes of the same version trust them: no session is stored beyond its end. It is 0 with a model
        of the traits, which another process may not have.
        """
        if self._session_model is not Session:
            return 0
        ids = f"{session_id} {identity_id} {fresh_until}".encode("utf-8", "surrogatepass")
        return crc32(ids, crc32(body, _VERSIONS))

    def from_claims(self, claims: Mapping[str, Any]) -> SizedSession | str:
        """Return the session from a token's claims in Kratos' format, or the reason why they are invalid."""
        try:
            body = to_json(claims)
            size = measure_session(body)
            session: Session[Any] = self._session_model.__pydantic_validator__.validate_json(body)
        except JSONTooComplex as error:
            return f"the session is too complex: {error}"
        except ValidationError as error:
            return _description_of(error)
        except ValueError:  # such as a lone surrogate
            return "a claim is not valid Unicode"
        return SizedSession(session, body, size.memory_bytes)

    def parse_again(self, body: bytes) -> "Session[Any] | None":
        """Return the session from a body that was valid before, or None if the traits model rejects it now."""
        try:
            # What `model_validate_json` calls.
            return cast("Session[Any]", self._session_model.__pydantic_validator__.validate_json(body))
        except ValidationError:
            return None

    def _parse_body(self, body: bytes) -> SizedSession | None:
        try:
            size = measure_session(body)
        except JSONTooComplex:
            return None
        session = self.parse_again(body)
        return None if session is None else SizedSession(session, body, size.memory_bytes)

    def _is_active(self, session: "Session[Any]", seconds_left: float) -> bool:
        return session.active and session.identity.state != "inactive" and seconds_left >= -self._clock_skew

    def _parse_forbidden(self, response: HTTPResponse, credential: Credential) -> ParsedSession:
        error_id = _error_of(response).get("id")
        if error_id in ("session_aal2_required", "session_aal2_enrollment_required"):
            enrolled = error_id == "session_aal2_required"
            return ParsedSession(SecondFactorRequired(credential.kind, enrolled), self.lifetimes.rejected)
        if error_id == "session_credential_required":
            return ParsedSession(Rejected("inactive", credential.kind), self.lifetimes.rejected)
        return self._protocol_error(
            f"the 403 has an unknown error id, or none, so it may come from a proxy; {_FIX}"
        )

    def _protocol_error(self, message: str) -> ParsedSession:
        kind = message.partition(":")[0]  # users may choose the keys of traits, which follow
        self._log.write(logging.ERROR, kind, "whoami.protocol_error: %s", message)
        return ParsedSession(Unavailable("protocol"))


def _description_of(error: ValidationError) -> str:
    if error.error_count() > _MAX_ERRORS:
        return f"the session has invalid fields: {error.error_count()} errors"
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    if any(details["loc"] in ((), ("id",)) and details["type"] != "mutable" for details in errors):
        return f"the body is not a session of Kratos; {_FIX}"
    fields = sorted({_field_of(details) for details in errors})
    more = len(fields) - _MAX_LOGGED_FIELDS
    listed = ", ".join(fields[:_MAX_LOGGED_FIELDS])
    return f"the session has invalid fields: {listed}{f' and {more} more' if more > 0 else ''}"


def _field_of(details: ErrorDetails) -> str:
    text = ".".join(map(str, details["loc"])) or "body"
    if details["type"] == "mutable":
        return f"{text} ({details['msg']})"
    return text if text.isprintable() else ascii(text)  # users may choose the keys of traits


def _session_model(traits: type[Any]) -> "type[Session[Any]]":
    refuse_mutable_model(traits)
    return cast("type[Session[Any]]", Session.__class_getitem__(traits))


def _server_of(response: HTTPResponse) -> str:
    """Return the likely sender of a response that is not from Kratos' public API, or an empty text."""
    if (response.header(b"content-type") or b"").lower().startswith(b"text/html"):
        return " but an HTML page, such as that of a website or a proxy"
    if response.status == 307:  # since v26.2.0
        return " but probably from its admin API"
    return ""


def _error_of(response: HTTPResponse) -> dict[str, Any]:
    if not response.is_json():
        return {}
    try:
        error = json.loads(response.body)["error"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _session_cookies(response: HTTPResponse, credential: Credential) -> tuple[bytes, ...]:
    if not credential.is_session_cookie:
        return ()
    prefix = credential.name + b"="
    return tuple(value for value in response.values(b"set-cookie") if value.startswith(prefix))
