"""Values that the other packages pass to each other: sessions, credentials, outcomes and clocks."""

from ory_guard.models.clock import Clock, SystemClock
from ory_guard.models.credential import Credential, CredentialKind, InvalidCredential
from ory_guard.models.frozen import FrozenDict, freeze
from ory_guard.models.outcomes import (
    Anonymous,
    Authenticated,
    CacheableOutcome,
    Outcome,
    Rejected,
    RejectedReason,
    SecondFactorRequired,
    SessionAuth,
    SessionUser,
    Source,
    Unavailable,
    UnavailableReason,
)
from ory_guard.models.session import (
    AuthenticationMethod,
    Device,
    Identity,
    KratosModel,
    RecoveryAddress,
    Session,
    VerifiableAddress,
)

__all__ = [
    "Anonymous",
    "Authenticated",
    "AuthenticationMethod",
    "CacheableOutcome",
    "Clock",
    "Credential",
    "CredentialKind",
    "Device",
    "FrozenDict",
    "Identity",
    "InvalidCredential",
    "KratosModel",
    "Outcome",
    "RecoveryAddress",
    "Rejected",
    "RejectedReason",
    "SecondFactorRequired",
    "Session",
    "SessionAuth",
    "SessionUser",
    "Source",
    "SystemClock",
    "Unavailable",
    "UnavailableReason",
    "VerifiableAddress",
    "freeze",
]
