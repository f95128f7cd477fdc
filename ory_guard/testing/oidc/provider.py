"""A fake social sign-in provider. Its consent page accepts any email address."""

import html
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ory_guard.testing.server.request import FakeRequest
from ory_guard.testing.server.response import ApiError, FakeResponse
from ory_guard.testing.server.state import Server
from ory_guard.testing.settings import OidcProvider
from ory_guard.testing.store.records import new_id, random_string

__all__ = ["FakeOidcProvider"]

CODE_LENGTH: Final = 32

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{name}: consent</title>
<h1>{name}</h1>
<p><strong>{client}</strong> requests your email address. This provider is a fake: enter any address, or none.</p>
<form method="post" action="{action}">
<label>Email address <input name="email" type="email" value="user@example.test"></label>
<button name="consent" value="allow">Allow</button>
<button name="consent" value="deny" formnovalidate>Deny</button>
</form>
</html>
"""


class FakeOidcProvider:
    """All configured providers of one fake."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._codes: dict[str, dict[str, str]] = {}

    def issuer(self, provider: OidcProvider) -> str:
        """Return the base URL of a provider."""
        return (provider.issuer_url or self._server.url(f"/fake-oidc/{provider.id}")).rstrip("/")

    def redirect_uri(self, name: str) -> str:
        """Return the URL of Kratos' callback."""
        path = f"/self-service/methods/oidc/callback/{name}"
        base_url = self._server.settings.oidc_base_redirect_uri
        return self._server.url(path) if base_url is None else base_url.rstrip("/") + path

    def consent_page(self, request: FakeRequest, name: str) -> FakeResponse:
        """Show the consent page."""
        provider = self._require_provider(request, name)
        page = _PAGE.format(
            name=html.escape(provider.id),
            client=html.escape(provider.client_id),
            action=html.escape(f"{self.issuer(provider)}/auth?{request.query_string}"),
        )
        return FakeResponse.text(page, kind="text/html; charset=utf-8")

    def consent(self, request: FakeRequest, name: str) -> FakeResponse:
        """Redirect to Kratos with an authorization code, or with an error if consent was denied."""
        self._require_provider(request, name)
        fields = dict(parse_qsl(request.body.decode(errors="replace")))
        parameters = {"state": request.query.get("state", "")}
        if fields.get("consent") == "deny":
            parameters["error"] = "access_denied"
        else:
            parameters["code"] = self.code_for(fields.get("email", ""), fields.get("subject"))
        return FakeResponse.redirect(request.method, f"{request.query['redirect_uri']}?{urlencode(parameters)}")

    def code_for(self, email: str, subject: str | None = None) -> str:
        """Return an authorization code for a user; it can be used once. Users without address are always new."""
        code = random_string(CODE_LENGTH)
        self._codes[code] = {"sub": subject or email or new_id(), "email": email}
        return code

    def claims(self, code: str) -> dict[str, str] | None:
        """Return the claims for an authorization code, or None, and invalidate the code."""
        return self._codes.pop(code, None)

    def _require_provider(self, request: FakeRequest, name: str) -> OidcProvider:
        provider = self._server.settings.provider(name)
        expected = self.redirect_uri(name)
        if provider is None:
            raise ApiError(404, reason="Unknown provider.")
        if request.query.get("redirect_uri") != expected:
            raise ApiError(400, reason=f"redirect_uri must be {expected}.")
        return provider
