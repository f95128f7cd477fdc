"""The 32 operations of Kratos' `FrontendApi` (v26.2.0), as one class and as data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ory_guard.client.operations.login import LoginOperations
from ory_guard.client.operations.logout import LogoutOperations
from ory_guard.client.operations.operation import Operation
from ory_guard.client.operations.operation_decorator import OperationMethod
from ory_guard.client.operations.page_resources import PageResourceOperations
from ory_guard.client.operations.recovery import RecoveryOperations
from ory_guard.client.operations.registration import RegistrationOperations
from ory_guard.client.operations.sessions import SessionOperations
from ory_guard.client.operations.settings import SettingsOperations
from ory_guard.client.operations.verification import VerificationOperations

__all__ = ["OPERATIONS", "AllOperations"]


class AllOperations(
    LoginOperations,
    RegistrationOperations,
    RecoveryOperations,
    VerificationOperations,
    SettingsOperations,
    LogoutOperations,
    SessionOperations,
    PageResourceOperations,
):
    """Every operation as a method."""


OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        name: member.operation
        for parent in AllOperations.__bases__
        for name, member in vars(parent).items()
        if isinstance(member, OperationMethod)
    }
)
"""Every operation by the name of its method."""
