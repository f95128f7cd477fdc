"""Session checks: JWT, shared store, circuit breaker, whoami; concurrent checks of one credential are one.

A check does not belong to a request (`ory_guard.cache.single_flight`), so the cancellation of the request that
started it does not affect the others. A lookup in Redis is not a task; without a shared store, neither is a call
(`ory_guard.guard.pooled_calls`), and a JWT is verified within its request.
"""

from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from ory_guard._event_loop import LoopLocal
from ory_guard.cache.entries import CacheEntry
from ory_guard.cache.leases import HeldLease
from ory_guard.cache.protocol_error_cache import ProtocolErrorCache
from ory_guard.cache.session_cache import SessionCache
from ory_guard.cache.single_flight import CheckResult, InFlight, SingleFlight
from ory_guard.events import CheckShared, ClassStats, Listeners, notify
from ory_guard.guard.pooled_calls import PendingCall, PooledCalls
from ory_guard.guard.whoami_calls import WhoamiCalls
from ory_guard.kratos.caller import Caller
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.clock import Clock
from ory_guard.models.credential import Credential
from ory_guard.models.outcomes import Authenticated, SecondFactorRequired, Unavailable

if TYPE_CHECKING:
    from ory_guard.cache.shared_cache import SharedSessionCache
    from ory_guard.cache.store_lookups import StoreResult
    from ory_guard.guard.jwt import JWTAuthenticator

__all__ = ["SessionChecker"]

_BYPASS: Final = b"bypass"
_new: Final = tuple.__new__  # half the time of the constructor of a named tuple
_SLOW_LOOKUP: Final = 0.05
"""Seconds for a lookup in the store. After a longer one, the check ends before the deadline of its call."""

_Check: TypeAlias = tuple[SingleFlight, InFlight, Caller, Credential]

_REVOKED_DURING_CHECK: Final = Unavailable("unreachable")
"""The outcome if the session was revoked during two checks in a row."""


class SessionChecker:
    """Checks sessions that are not in the cache, and caches the results.

    Args:
        whoami: Calls Kratos.
        calls: The calls to Kratos, with the policy for them.
        cache: The cache of this process.
        timeout: Seconds for one check.
        clock: The clocks.
        listeners: The listeners of the guard.
        shared_cache: The cache that processes share, or None.
        jwt: Authenticates JWTs; None if Kratos is called for each bearer token.

    Attributes:
        shared_cache: The cache that processes share, or None.
        calls: The calls to Kratos, with the policy for them.
        joined_checks: The number of requests that joined a running check.
    """

    def __init__(
        self,
        whoami: WhoamiClient,
        *,
        calls: WhoamiCalls,
        cache: SessionCache,
        timeout: float,
        clock: Clock,
        listeners: Listeners,
        shared_cache: "SharedSessionCache | None" = None,
        jwt: "JWTAuthenticator | None" = None,
    ) -> None:
        self._whoami = whoami
        self._cache = cache
        self._revocations = cache.revocations
        self._protocol_errors = ProtocolErrorCache(cache.revocations, clock)
        self.shared_cache: SharedSessionCache | None = shared_cache
        self._jwt = jwt
        self._timeout = timeout
        self._clock = clock
        self._listeners = listeners
        self._single_flights: LoopLocal[SingleFlight] = LoopLocal(SingleFlight, SingleFlight.aclose)
        self.calls: WhoamiCalls = calls
        self._pooled_calls = PooledCalls(whoami, self.calls, self._protocol_errors)
        self.joined_checks: int = 0

    async def check(
        self,
        key: bytes,
        credential: Credential,
        *,
        group: bytes | None = None,
        client: object = None,
        bypass_caches: bool = False,
        join: bool = True,
    ) -> CheckResult:
        """Return the result of a session check.

        Args:
            key: The cache key of the credential.
            credential: The credential.
            group: A key that the two session cookies of a request share, so that they are one credential for the
                circuit breaker and the rate limits; by default the cache key.
            client: The `client` of the scope: unknown credentials of different clients take turns.
            bypass_caches: Whether to call Kratos even for a JWT, an entry of the shared store or a credential whose
                last response was invalid, with `Cache-Control: max-age=0`.
            join: Whether to join a check that has started already.
        """
        caller = self.calls.policy.caller(key, credential, group, client)
        last_revocation = self._revocations.last_revocation
        for _ in range(2):  # a session that was revoked during the check is checked once more
            result = await self._join_or_start(caller, credential, bypass_caches=bypass_caches, join=join)
            if not self._is_outdated(key, result, last_revocation):
                return result
        return CheckResult(_REVOKED_DURING_CHECK, self._clock.monotonic())

    async def _join_or_start(
        self, caller: Caller, credential: Credential, *, bypass_caches: bool, join: bool
    ) -> CheckResult:
        key = caller.key
        if not bypass_caches and self._protocol_errors.is_recent(key):
            return self.calls.without_call(caller, Unavailable("protocol"))
        if not bypass_caches and self.shared_cache is None and self._jwt is not None and self.is_jwt(credential):
            # There is nothing to wait for but a refresh of the keys, which has a task of its own.
            verified = await self._protocol_errors.observe(key, self._jwt.authenticate(key, credential))
            if verified is not None:
                return verified
        single_flight = self._single_flights.current() or await self._single_flights.get()
        pool = await self._whoami.pool() if self.shared_cache is None else None
        slot = key + _BYPASS if bypass_caches else key
        in_flight = single_flight.joinable(slot) if join else None
        if in_flight is not None:
            self.joined_checks += 1
            if self._listeners:
                notify(self._listeners, CheckShared(key.hex()[:8]))
            return await in_flight.wait()
        in_flight = InFlight(slot, self._clock.monotonic())
        if not bypass_caches and self.shared_cache is not None:
            check = single_flight, in_flight, caller, credential
            on_result = partial(self._on_store_result, check)
            is_started = not self.is_jwt(credential) and self.shared_cache.look_up(key, credential, on_result)
            single_flight.add(in_flight, joinable=join)
            if not is_started:
                single_flight.run(in_flight, partial(self._start_resolving, check))  # a closure costs all calls
        elif (refusal := self.calls.refusal(caller)) is not None:
            return refusal
        elif pool is None:
            single_flight.add(in_flight, joinable=join)
            single_flight.run(in_flight, partial(self._start_call, caller, credential, bypass_caches=bypass_caches))
        else:
            single_flight.add(in_flight, joinable=join)
            result = in_flight.wait()  # before the start, because a call may end at once
            keeps_claims = bypass_caches and self.is_jwt(credential)
            self._pooled_calls.start(
                PendingCall(pool, single_flight, in_flight, caller, credential, bypass_caches, keeps_claims)
            )
            return await result
        return await in_flight.wait()

    def _start_resolving(self, check: _Check) -> Awaitable[CheckResult]:
        return self._protocol_errors.observe(check[2].key, self._resolve(check))

    def _start_call(self, caller: Caller, credential: Credential, *, bypass_caches: bool) -> Awaitable[CheckResult]:
        call = self._call_whoami(caller, credential, bypass_caches=bypass_caches)
        keeps_claims = bypass_caches and self.is_jwt(credential)
        return call if keeps_claims else self._protocol_errors.observe(caller.key, call)  # see JWTRejectionCache

    def is_jwt(self, credential: Credential) -> bool:
        """Return whether the credential is a JWT that this process verifies."""
        return self._jwt is not None and self._jwt.accepts(credential)

    async def _resolve(self, check: _Check) -> CheckResult:
        credential, key, lease = check[3], check[2].key, None
        if self._jwt is not None and self.is_jwt(credential):
            result = await self._jwt.authenticate(key, credential)
            if result is not None:
                return result
        else:
            assert self.shared_cache is not None  # noqa: S101 - without a store, this resolves nothing but JWTs
            entry, lease = await self.shared_cache.get(key, credential)
            if entry is not None:
                return self._found(key, entry)
        return await self._resolve_by_call(check, lease)

    def _on_store_result(self, check: _Check, found: "StoreResult") -> None:
        single_flight, in_flight, caller, _ = check
        entry, lease = found
        if in_flight.is_finished:  # the guard was closed, which ends the lease
            return
        if entry is None:
            observe = self._protocol_errors.observe
            single_flight.run(in_flight, lambda: observe(caller.key, self._resolve_by_call(check, lease)))
            return
        result = None
        try:
            result = self._found(caller.key, entry)
        finally:
            single_flight.finish(in_flight, result)

    def _found(self, key: bytes, entry: CacheEntry) -> CheckResult:
        assert isinstance(entry.outcome, Authenticated)  # noqa: S101 - only sessions are stored
        self.calls.policy.known.add(key, entry.outcome.session)
        self._protocol_errors.record(key, entry.outcome, entry.request_time)
        return _new(CheckResult, (entry.outcome, entry.request_time, ()))

    async def _resolve_by_call(self, check: _Check, lease: HeldLease | None) -> CheckResult:
        single_flight, in_flight, caller, credential = check
        taken = self._clock.monotonic() - in_flight.started_at
        if taken >= _SLOW_LOOKUP:
            # The call continues: its result is cached, and a shorter time than `timeout` says nothing about Kratos.
            timed_out = partial(self.calls.without_call, caller, Unavailable("timeout"))
            single_flight.finish_in(self._timeout - taken, in_flight, timed_out)
        try:
            refusal = self.calls.refusal(caller)
            return refusal or await self._call_whoami(caller, credential, bypass_caches=False, lease=lease)
        finally:
            if lease is not None:
                lease.release()

    async def _call_whoami(
        self, caller: Caller, credential: Credential, *, bypass_caches: bool, lease: HeldLease | None = None
    ) -> CheckResult:
        is_jwt = self.is_jwt(credential)
        call = self.calls.start(caller, credential, keeps_claims=is_jwt and bypass_caches)
        response: HTTPResponse | Exception
        try:
            response = await self._whoami.get(credential, bypass_caches=bypass_caches, caller=caller)
        except Exception as error:  # noqa: BLE001 - whatever fails in a call, there is no response
            response = error
        result, entry = self.calls.conclude(call, response)
        if self.shared_cache is not None and not isinstance(result.outcome, Unavailable):
            if entry is not None and isinstance(result.outcome, Authenticated):
                if self._cache.get(caller.key) is entry and not is_jwt:
                    await self.shared_cache.put(credential, result.outcome.session, entry, lease)
            elif bypass_caches and not is_jwt:
                # The store was not read, so it may still hold the previous session.
                await self.shared_cache.delete(credential)
        return result

    def is_revoked(self, key: bytes, result: CheckResult) -> bool:
        """Return whether the session or the credential of a result was revoked after Kratos was asked for it."""
        outcome, request_time, _ = result
        return isinstance(outcome, Authenticated) and (
            self._revocations.is_revoked(outcome.session, request_time)
            or self._revocations.is_credential_revoked(key, request_time)
        )

    def _is_outdated(self, key: bytes, result: CheckResult, last_revocation: float) -> bool:
        """Return whether a revocation may concern a result; `last_revocation` is that before the request."""
        if result[1] > self._revocations.last_invalidation:
            return False
        if isinstance(result.outcome, SecondFactorRequired):  # it does not name its session
            return result.request_time <= last_revocation
        return self.is_revoked(key, result)

    def class_stats(self, *, known: bool) -> ClassStats:
        """Return the calls for known credentials, or for all others."""
        calls, waiting = self._whoami.load(known=known)
        return ClassStats(calls, waiting, self.calls.policy.shed[known])

    def is_revalidating(self, key: bytes) -> bool:
        """Return whether a request may join a check of this credential that bypasses the caches."""
        single_flight = self._single_flights.current()
        return single_flight is not None and single_flight.joinable(key + _BYPASS) is not None

    def detach(self, key: bytes) -> None:
        """Make later requests of this event loop with this cache key start a check of their own."""
        if (single_flight := self._single_flights.current()) is not None:
            single_flight.detach(key, key + _BYPASS)

    def detach_all(self) -> None:
        """Make all later requests of this event loop start checks of their own."""
        if (single_flight := self._single_flights.current()) is not None:
            single_flight.detach_all()

    async def aclose(self) -> None:
        """Cancel the checks of this event loop and close its connections; waiting requests get `Unavailable`."""
        await self._single_flights.aclose()
        await self._whoami.aclose()
        if self.shared_cache is not None:
            await self.shared_cache.aclose()
        if self._jwt is not None:
            await self._jwt.aclose()
