"""The script that browsers load to use authenticators."""

import base64
import hashlib
from pathlib import Path
from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse

__all__ = ["SCRIPT_INTEGRITY", "SCRIPT_PATH", "get_web_authn_java_script"]

SCRIPT_PATH: Final = "/.well-known/ory/webauthn.js"
_SCRIPT: Final = Path(__file__).with_name("webauthn.js").read_text(encoding="utf-8")
SCRIPT_INTEGRITY: Final = "sha512-" + base64.b64encode(hashlib.sha512(_SCRIPT.encode()).digest()).decode()


def get_web_authn_java_script(request: FakeRequest) -> FakeResponse:  # noqa: ARG001 - all operations take the request
    """`get_web_authn_java_script`: return the script."""
    return FakeResponse.text(_SCRIPT, kind="text/javascript; charset=UTF-8")
