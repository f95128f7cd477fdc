"""The script that Kratos serves for security keys, replaced with a stub."""

import base64
import hashlib
from typing import Final

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import FakeResponse

__all__ = ["SCRIPT_INTEGRITY", "get_web_authn_java_script"]

SCRIPT: Final = """\
(function () {
  "use strict";
  function explain() {
    window.alert("The fake Kratos shows the fields for security keys but does not support them.");
  }
  ["oryWebAuthnRegistration", "oryWebAuthnLogin", "oryPasskeyLogin", "oryPasskeyRegistration",
   "oryPasskeySettingsRegistration", "oryPasskeyLoginAutocompleteInit"].forEach(function (name) {
    window[name] = explain;
  });
  window.oryWebAuthnInitialized = true;
})();
"""

SCRIPT_INTEGRITY: Final = "sha512-" + base64.b64encode(hashlib.sha512(SCRIPT.encode()).digest()).decode()


def get_web_authn_java_script(request: FakeRequest) -> FakeResponse:  # noqa: ARG001 - all operations take the request
    """`get_web_authn_java_script`: return the stub."""
    return FakeResponse.text(SCRIPT, kind="text/javascript; charset=UTF-8")
