"""Calls of whoami over the connection pool: a chain of callbacks without a task.

The callback for the last byte of the response parses it, caches the result, and resolves the futures of all waiting
requests.
"""

from functools import partial
from typing import NamedTuple

from ory_guard.cache.protocol_error_cache import ProtocolErrorCache
from ory_guard.cache.single_flight import CheckResult, InFlight, SingleFlight
from ory_guard.guard.whoami_calls import Call, WhoamiCalls
from ory_guard.kratos.call_failures import internal_error
from ory_guard.kratos.caller import Caller
from ory_guard.kratos.connection_pool import ConnectionPool
from ory_guard.kratos.http_response import HTTPResponse
from ory_guard.kratos.whoami import WhoamiClient
from ory_guard.models.credential import Credential

__all__ = ["PendingCall", "PooledCalls"]


class PendingCall(NamedTuple):
    """A call that has not been sent.

    Attributes:
        pool: The connection pool.
        single_flight: The checks of this event loop.
        in_flight: The registered check.
        caller: The credential, as the policy sees it.
        credential: The credential.
        bypass_caches: Whether caches in front of Kratos must revalidate.
        keeps_claims: Whether the credential is a JWT whose verified claims remain in the cache.
    """

    pool: ConnectionPool
    single_flight: SingleFlight
    in_flight: InFlight
    caller: Caller
    credential: Credential
    bypass_caches: bool
    keeps_claims: bool


class PooledCalls:
    """Sends calls over the connection pool, and ends their checks.

    Args:
        whoami: Builds the requests.
        calls: Evaluates the responses.
        protocol_errors: Remembers invalid responses.
    """

    def __init__(self, whoami: WhoamiClient, calls: WhoamiCalls, protocol_errors: ProtocolErrorCache) -> None:
        self._whoami = whoami
        self._calls = calls
        self._protocol_errors = protocol_errors

    def start(self, pending: PendingCall) -> None:
        """Send a call, now or in a later turn of the event loop; its result ends the check."""
        turns = pending.single_flight.turns
        if turns.take():
            self._send(pending)
        else:
            turns.defer(partial(self._send, pending))

    def _send(self, pending: PendingCall) -> None:
        pool, single_flight, in_flight, caller, credential, bypass_caches, keeps_claims = pending
        if in_flight.is_finished:  # the guard was closed
            return
        is_sent, result = False, None
        try:
            request = self._whoami.request_bytes(credential, bypass_caches=bypass_caches)
            call = self._calls.start(caller, credential, keeps_claims=keeps_claims)
            pool.send(request, partial(self._on_response, single_flight, in_flight, call), caller)
            is_sent = True
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the event loop would log its text, and requests would wait
            result = CheckResult(internal_error(error), in_flight.started_at)
        finally:
            if not is_sent:
                single_flight.finish(in_flight, result)

    def _on_response(
        self, single_flight: SingleFlight, in_flight: InFlight, call: Call, response: HTTPResponse | Exception
    ) -> None:
        if in_flight.is_finished:  # the guard was closed
            return
        result = None
        try:
            result = self._calls.conclude(call, response).result
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - the event loop would log its text, and requests would wait
            result = CheckResult(internal_error(error), call.request_time)
        finally:
            if result is not None and not call.keeps_claims:  # see JWTRejectionCache
                self._protocol_errors.record(call.caller.key, result.outcome, call.request_time)
            single_flight.finish(in_flight, result)
