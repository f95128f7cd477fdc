"""The other side of social sign-in: a provider whose consent page signs anybody in as anybody."""

import html
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ory_guard.testing.server.request import Exchange
from ory_guard.testing.server.response import Answer, ApiError
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import OidcProvider
from ory_guard.testing.store.records import random_string

__all__ = ["FakeOidcProvider"]

CODE_LENGTH: Final = 32

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}: consent</title>
<h1>{name}</h1>
<p><strong>{client}</strong> wants to know who you are. This provider is a fake: be whoever you like.</p>
<form method="post" action="{action}">
<label>E-mail address <input name="email" type="email" required value="somebody@example.test"></label>
<button name="consent" value="allow">Allow</button>
<button name="consent" value="deny" formnovalidate>Deny</button>
</form>
</html>
"""


class FakeOidcProvider:
    """The providers that a fake Kratos knows, all played by one class."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._codes: dict[str, dict[str, str]] = {}

    def issuer(self, provider: OidcProvider) -> str:
        """Return where a provider is found."""
        return (provider.issuer_url or self._server.url(f"/fake-oidc/{provider.id}")).rstrip("/")

    def redirect_uri(self, name: str) -> str:
        """Return where a provider sends browsers back to."""
        return self._server.url(f"/self-service/methods/oidc/callback/{name}")

    def consent_page(self, exchange: Exchange, name: str) -> Answer:
        """Ask the person at the browser whether Kratos may know who they are."""
        provider = self._checked(exchange, name)
        page = _PAGE.format(
            name=html.escape(provider.id),
            client=html.escape(provider.client_id),
            action=html.escape(f"{self.issuer(provider)}/auth?{exchange.query_string}"),
        )
        return Answer.text(page, kind="text/html; charset=utf-8")

    def consent(self, exchange: Exchange, name: str) -> Answer:
        """Send the browser back to Kratos with a code, or with the news that consent was denied."""
        self._checked(exchange, name)
        fields = dict(parse_qsl(exchange.body.decode(errors="replace")))
        answer = {"state": exchange.query.get("state", "")}
        if fields.get("consent") == "deny" or not fields.get("email"):
            answer["error"] = "access_denied"
        else:
            answer["code"] = self.code_for(fields["email"])
        return Answer.redirect(exchange.method, f"{exchange.query['redirect_uri']}?{urlencode(answer)}")

    def code_for(self, email: str, subject: str | None = None) -> str:
        """Return a code that tells Kratos, once, that this person consented."""
        code = random_string(CODE_LENGTH)
        self._codes[code] = {"sub": subject or email, "email": email}
        return code

    def claims(self, code: str) -> dict[str, str] | None:
        """Return who a code stands for, and forget the code."""
        return self._codes.pop(code, None)

    def _checked(self, exchange: Exchange, name: str) -> OidcProvider:
        provider = self._server.settings.provider(name)
        expected = self.redirect_uri(name)
        if provider is None:
            raise ApiError(404, reason="There is no such provider.")
        if exchange.query.get("redirect_uri") != expected:
            raise ApiError(400, reason=f"redirect_uri must be {expected}.")
        return provider
