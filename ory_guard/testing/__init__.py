"""
A Kratos without a server, for tests and development.

`FakeKratos` answers as a recorded Kratos does. It reads nothing of ory_guard's own understanding of Kratos,
so that a misreading there shows in tests.
"""

from ory_guard.testing.clock import Clock, ManualClock
from ory_guard.testing.config import FakeKratosSettings, OidcProvider, TokenizerTemplate
from ory_guard.testing.fake import FakeKratos, SignedIn
from ory_guard.testing.faults import Fault
from ory_guard.testing.recorder import RecordedRequest, RequestLog
from ory_guard.testing.store import CourierMessage, Identity, Session

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
