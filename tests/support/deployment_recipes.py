"""The files and commands of the page with the deployment recipes."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final

import yaml

from support.doc_pages import ROOT, block_titled

__all__ = ["PAGE", "kubernetes_container", "printed", "server_command", "shell_settings", "unit_option"]

PAGE: Final = ROOT / "docs/how-to/deployment-recipes.md"


def printed(title: str) -> str:
    """Return the block with this title."""
    return block_titled(PAGE, title)


def unit_option(name: str) -> str:
    """Return an option of the systemd unit."""
    (value,) = re.findall(rf"^{name}=(.*)$", printed("shop.service"), re.MULTILINE)
    return str(value)


def kubernetes_container() -> dict[str, Any]:
    """Return the container of the Kubernetes deployment."""
    deployment = next(yaml.safe_load_all(printed("shop.yaml")))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def server_command(name: str) -> list[str]:
    """Return the words of a server's command; the program has no folder."""
    if name == "systemd":
        words = shlex.split(unit_option("ExecStart"))
    elif name == "kubernetes":
        words = kubernetes_container()["command"]
    elif name == "docker":
        (command,) = re.findall(r"^CMD (.*)$", printed("Dockerfile"), re.MULTILINE)
        words = tomllib.loads(f"words = {command}")["words"]
    else:
        words = shlex.split(printed(name))
    return [Path(words[0]).name, *words[1:]]


def shell_settings() -> dict[str, str]:
    """Return the environment variables that the page exports."""
    return dict(re.findall(r"^export (\w+)=(.*)$", printed("Settings"), re.MULTILINE))
