"""Excludes internal members from the reference, and describes the package's dataclasses as those of Python."""

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

    def on_module_members(self, *, mod: griffe.Module, **_: Any) -> None:
        """Let griffe derive the constructors of the package's dataclasses."""
        member = mod.members.get("dataclass")
        if isinstance(member, griffe.Alias) and member.target_path == "ory_guard._dataclass.dataclass":
            mod.set_member("dataclass", griffe.Alias("dataclass", "dataclasses.dataclass"))
