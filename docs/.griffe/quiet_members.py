"""Excludes internal members from the reference."""

from typing import Any

import griffe

_SHOWN = frozenset({"__call__", "__init__"})


class QuietMembers(griffe.Extension):
    """Removes special methods, pydantic's configuration, and methods that only raise an error."""

    def on_class(self, *, cls: griffe.Class, **_: Any) -> None:
        """Remove the members of one class."""
        for name, member in list(cls.members.items()):
            special = name.startswith("__") and name not in _SHOWN
            refuses = isinstance(member, griffe.Attribute) and str(member.value) == "_refuse"
            if special or refuses or name == "model_config":
                cls.del_member(name)
