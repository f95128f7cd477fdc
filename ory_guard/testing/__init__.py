"""An in-process Ory Kratos for tests and development.

`FakeKratos` replies like a recorded Kratos. It shares no code with the guard, so that a misunderstanding of Kratos
in one of them fails a test.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__all__ = [
    "AsUser",
    "Clock",
    "CourierMessage",
    "FakeKratos",
    "FakeKratosSettings",
    "Fault",
    "Identity",
    "ManualClock",
    "OidcProvider",
    "OryUser",
    "RecordedRequest",
    "RequestLog",
    "Session",
    "SignedIn",
    "SoftwareAuthenticator",
    "TokenizerTemplate",
]

# Imported on first use: pytest loads this package with the plugin in every run, even without the extra installed.
_MODULES: Final = {
    "AsUser": "pytest_plugin",
    "Clock": "clock",
    "CourierMessage": "store.records",
    "FakeKratos": "fake_kratos",
    "FakeKratosSettings": "settings",
    "Fault": "faults",
    "Identity": "store.records",
    "ManualClock": "clock",
    "OidcProvider": "settings",
    "OryUser": "pytest_plugin",
    "RecordedRequest": "request_log",
    "RequestLog": "request_log",
    "Session": "store.records",
    "SignedIn": "signed_in",
    "SoftwareAuthenticator": "software_authenticator",
    "TokenizerTemplate": "settings",
}

if TYPE_CHECKING:
    from ory_guard.testing.clock import Clock, ManualClock
    from ory_guard.testing.fake_kratos import FakeKratos
    from ory_guard.testing.faults import Fault
    from ory_guard.testing.pytest_plugin import AsUser, OryUser
    from ory_guard.testing.request_log import RecordedRequest, RequestLog
    from ory_guard.testing.settings import FakeKratosSettings, OidcProvider, TokenizerTemplate
    from ory_guard.testing.signed_in import SignedIn
    from ory_guard.testing.software_authenticator import SoftwareAuthenticator
    from ory_guard.testing.store.records import CourierMessage, Identity, Session
else:
    # Hidden from type checkers, which would otherwise accept any name.
    def __getattr__(name: str) -> Any:
        """Import and return one of the names in `__all__`.

        Raises:
            AttributeError: If the name is not in `__all__`.
            ModuleNotFoundError: If the extra `testing` is not installed.
        """
        if name not in _MODULES:
            raise AttributeError(f"module 'ory_guard.testing' has no attribute {name!r}")
        try:
            module = import_module(f"ory_guard.testing.{_MODULES[name]}")
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ory_guard.testing needs {error.name}: install the extra with pip install 'ory-guard[testing]'",
                name=error.name,
            ) from None
        value = globals()[name] = getattr(module, name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
