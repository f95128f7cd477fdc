"""Where a Kratos may answer otherwise than the recorded one: another release, or what a set-up leaves open."""

import re
from dataclasses import dataclass

from recorded_scenario import Exchange


@dataclass(frozen=True)
class Allowance:
    """Differences that say nothing against a Kratos.

    Attributes:
        reason: Why it may differ.
        recorded: Which cases or operations, as a pattern.
        lines: Which differences, as a pattern.
    """

    reason: str
    recorded: str
    lines: str

    def covers(self, recorded: Exchange, line: str) -> bool:
        """Tell whether a difference is one of these."""
        named = (recorded.case, recorded.operation)
        return any(re.fullmatch(self.recorded, one) for one in named) and bool(re.fullmatch(self.lines, line))


ALLOWANCES = (
    Allowance(
        "the release answers 401 where main shows the login form with message 4010011",
        r"login\.native\.submit\.inactive_identity",
        r"status is 401 instead of 400|body\..*|content-type is .*|ory-error-id is .*|cache-control is .*",
    ),
    Allowance(
        "the release has another organization_id in settings flows",
        r"(create|get|update)_(browser_|native_)?settings_flow",
        r"body\.(identity\.)?organization_id .*",
    ),
    Allowance(
        "the release forgets when an identity's state changed, once its settings did",
        r".*",
        r"body\.(session\.)?identity\.state_changed_at is missing",
    ),
    Allowance(
        "the release gives no hint for a browser's autofill to fields for codes",
        r"(update|get)_(recovery|verification)_flow",
        r"body\.ui\.nodes\[1\]\.attributes\.autocomplete is missing",
    ),
    Allowance(
        "the release forgets the address that somebody else registered already",
        r"registration\.native\.submit\.duplicate",
        r"body\.ui\.nodes\[1\]\.attributes\.value is missing",
    ),
    Allowance(
        "the page about CSRF in Ory's documentation moved",
        r".*",
        r"body\.error\.details\.docs .*",
    ),
    Allowance(
        "whether CORS is on is left open, and with it Vary: Origin",
        r".*",
        r"vary is (None|\['Cookie'\]) instead of .*",
    ),
    Allowance(
        "the titles of the schema's traits are left open",
        r".*",
        r"body\.ui\.nodes\[\d+\]\.meta\.label\.context\.title .*",
    ),
)


def speaks_against(recorded: Exchange, line: str) -> bool:
    """Tell whether a difference shows that a Kratos is not like the recorded one."""
    return not any(allowance.covers(recorded, line) for allowance in ALLOWANCES)
