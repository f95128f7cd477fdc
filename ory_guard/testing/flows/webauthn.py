"""The script that Kratos serves for security keys: a small stand-in of our own."""

import base64
import hashlib
from typing import Final

from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer

__all__ = ["SCRIPT_INTEGRITY", "get_web_authn_java_script"]

SCRIPT: Final = """\
(function () {
  "use strict";
  function explain() {
    window.alert("This Kratos is a fake: it shows the fields for security keys but can't check any.");
  }
  ["oryWebAuthnRegistration", "oryWebAuthnLogin", "oryPasskeyLogin", "oryPasskeyRegistration",
   "oryPasskeySettingsRegistration", "oryPasskeyLoginAutocompleteInit"].forEach(function (name) {
    window[name] = explain;
  });
  window.oryWebAuthnInitialized = true;
})();
"""

SCRIPT_INTEGRITY: Final = "sha512-" + base64.b64encode(hashlib.sha512(SCRIPT.encode()).digest()).decode()


def get_web_authn_java_script(exchange: Exchange) -> Answer:  # noqa: ARG001 - every operation takes the request
    """`get_web_authn_java_script`: serve the stand-in."""
    return Answer.text(SCRIPT, kind="text/javascript; charset=UTF-8")
