"""The guard's settings as the environment and a command line make them."""

import os

from ory_guard.settings import ENVIRONMENT_PREFIX, GuardSettings

__all__ = ["settings_from"]


def settings_from(**given: str | None) -> GuardSettings:
    """Return the settings of the `ORY_GUARD_…` variables, where `given` wins over them.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    variables = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in given.items() if value is not None}
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        return GuardSettings.from_env()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
