"""
A Kratos without a server, for tests and development.

`FakeKratos` answers as a recorded Kratos does. It reads nothing of ory_guard's own understanding of Kratos,
so that a misreading there shows in tests.
"""

try:
    from ory_guard.testing.clock import Clock, ManualClock
    from ory_guard.testing.config import FakeKratosSettings, OidcProvider, TokenizerTemplate
    from ory_guard.testing.fake import FakeKratos, SignedIn
    from ory_guard.testing.faults import Fault
    from ory_guard.testing.recorder import RecordedRequest, RequestLog
    from ory_guard.testing.store import CourierMessage, Identity, Session
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        f"ory_guard.testing needs {_error.name}: install the extra with pip install 'ory-guard[testing]'",
        name=_error.name,
    ) from None

__all__ = [
    "Clock",
    "CourierMessage",
    "FakeKratos",
    "FakeKratosSettings",
    "Fault",
    "Identity",
    "ManualClock",
    "OidcProvider",
    "RecordedRequest",
    "RequestLog",
    "Session",
    "SignedIn",
    "TokenizerTemplate",
]
