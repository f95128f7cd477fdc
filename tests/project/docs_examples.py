"""Requests to the examples in the documentation, and their responses."""

from typing import Any

APP = "http://127.0.0.1:8000"
NAVIGATE = {"Sec-Fetch-Mode": "navigate"}
FORM = {"Referer": f"{APP}/transfer", "Sec-Fetch-Site": "same-origin"}
HTMX = {"HX-Request": "true", "HX-Current-URL": f"{APP}/account", "Origin": APP}
CORS = {"Origin": "https://app.example.com"}
EVIL = {"Origin": "https://evil.test"}
API_KEY = {"X-API-Key": "example-key-of-the-billing-service"}
TO_ACCOUNT = "return_to=http%3A%2F%2F127.0.0.1%3A8000%2Faccount"

TRAITS = {"email": "ada@example.test", "name": {"first": "Ada"}}
USERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ada": ({"traits": TRAITS}, {}),
    "grace at aal2": ({"traits": {"email": "grace@example.test"}}, {"aal": "aal2"}),
    "an old login": ({}, {"age": 901}),
    "an editor": ({"metadata_public": {"roles": ["editor"]}}, {}),
    "acme": ({"metadata_public": {"tenants": ["acme"]}}, {}),
}
"""The properties of an identity and its session; any other name is a client without a session."""

Exchange = tuple[str, str, dict[str, str], str]
"""A user, a request, its headers, and texts in the response, separated by ` … `."""

EXAMPLES: dict[tuple[str, str], list[Exchange]] = {
    ("README.md", "app"): [
        ("nobody", "GET /me", {}, "401"),
        ("nobody", "GET /me", NAVIGATE, "303"),
        ("ada", "GET /me", {}, '200 … {"identity":"'),
        ("ada", "GET /vault", {}, "403 … session_aal2_enrollment_required"),
        ("grace at aal2", "GET /vault", {}, "200"),
    ],
    ("docs/tutorial.md", "on_fake.app"): [
        ("nobody", "GET /me", {}, '401 … session_inactive … Bearer realm="ory_guard"'),
        ("nobody", "GET /me", NAVIGATE, "login/browser?return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fme"),
    ],
    ("docs/how-to/fastapi.md", "app"): [
        ("nobody", "GET /", {}, '"Welcome"'),
        ("grace at aal2", "GET /", {}, '"Welcome back"'),
        ("grace at aal2", "GET /me", {}, '"aal":"aal2"'),
        ("grace at aal2", "GET /name", {}, '"grace@example.test"'),
        ("grace at aal2", "GET /vault", {}, "keys"),
        ("grace at aal2", "POST /password", {}, "changed"),
        ("grace at aal2", "GET /members", {}, "requirement_not_met"),
        ("nobody", "GET /reports/daily", {}, "session_inactive"),
        ("nobody", "GET /graphql", {}, "session_inactive"),
    ],
    ("docs/how-to/fastapi.md", "typed_app"): [("ada", "GET /greeting", {}, "Good morning, Ada")],
    ("docs/how-to/starlette.md", "app"): [
        ("nobody", "GET /", {}, "Welcome"),
        ("grace at aal2", "GET /", {}, "Welcome back"),
        ("nobody", "GET /me", {}, "401"),
        ("grace at aal2", "GET /vault", {}, "keys"),
        ("nobody", "GET /archive", {}, "403"),
        ("grace at aal2", "GET /archive", {}, "old papers"),
    ],
    ("docs/how-to/starlette.md", "plain_app"): [("ada", "GET /", {}, "403"), ("grace at aal2", "GET /", {}, "200")],
    ("docs/how-to/whole-app.md", "app"): [
        ("nobody", "GET /", {}, "200"),
        ("nobody", "GET /health", {}, "404"),
        ("nobody", "GET /health/", {}, "401"),
        ("nobody", "GET /docs", {}, "401"),
        ("nobody", "GET /reports", {}, "401"),
        ("ada", "GET /reports", {}, "200"),
    ],
    ("docs/how-to/uploads.md", "app"): [
        ("nobody", "POST /uploads/", {}, "401"),
        ("nobody", "PUT /backup", {}, "401"),
        ("ada", "POST /uploads/", {}, "422"),
        ("ada", "PUT /backup", {}, "200"),
    ],
    ("docs/how-to/step-up.md", "app"): [
        ("an old login", "POST /transfer", FORM | NAVIGATE, "303 … refresh=true … 8000%2Ftransfer"),
        ("an old login", "POST /transfer", FORM, '403 … max_age="300" … "actual":901 … redirect_browser_to'),
        ("an old login", "POST /transfer", HTMX, f"403 … refresh=true&{TO_ACCOUNT}"),
        ("an old login", "GET /account", {}, "aal=aal2&return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fvault"),
    ],
    ("docs/how-to/different-hosts.md", "app"): [
        ("nobody", "OPTIONS /orders", CORS | {"Access-Control-Request-Method": "POST"}, "200"),
        ("nobody", "POST /orders", CORS, "401 … https://app.example.com"),
        ("ada", "POST /orders", CORS, "200"),
        ("ada", "POST /orders", EVIL, "security_csrf_violation"),
    ],
    ("docs/how-to/roles.md", "app"): [
        ("an editor", "GET /drafts", {}, "200"),
        ("ada", "GET /drafts", {}, "requirement_not_met"),
        ("an editor", "DELETE /users", {}, "requirement_not_met"),
        ("an editor", "GET /team", {}, "requirement_not_met"),
    ],
    ("docs/how-to/migrating.md", "new"): [("ada", "GET /me", {}, "200")],
    ("docs/how-to/migrating.md", "after_me.app"): [("ada", "GET /me", {}, "200")],
    ("docs/how-to/login-pages.md", "app"): [
        ("nobody", f"GET /auth/login?return_to={APP}/me", {}, "303 … return_to=http%3A%2F%2F127.0.0.1%3A8000%2Fme"),
    ],
    ("docs/how-to/troubleshooting.md", "app"): [
        ("nobody", "GET /why", {}, '"Anonymous"'),
        ("ada", "GET /why", {}, "Authenticated by cookie, from upstream"),
        ("ada", "GET /why", {"X-Session-Token": "unknown"}, "Rejected x_session_token: inactive"),
        ("ada", "GET /why", {"X-Session-Token": "a b"}, "Rejected x_session_token: malformed"),
    ],
    ("docs/how-to/api-keys.md", "app"): [
        ("nobody", "GET /invoices", {}, "401"),
        ("ada", "GET /invoices", {}, "for identity "),
        ("nobody", "GET /invoices", API_KEY, "for service billing"),
        ("ada", "GET /invoices", {"X-API-Key": "wrong"}, "401"),
        ("nobody", "POST /password", API_KEY, "401"),
    ],
    ("docs/how-to/htmx.md", "app"): [
        ("nobody", "GET /balance", HTMX, f"401 … login/browser?{TO_ACCOUNT}"),
        ("an old login", "POST /transfer", HTMX, f"403 … refresh=true&{TO_ACCOUNT}"),
        ("ada", "POST /transfer", HTMX | EVIL, "security_csrf_violation"),
        ("ada", "GET /balance", HTMX, "<b>100 €</b>"),
        ("ada", "POST /transfer?to=Bob", HTMX, "422"),
        ("ada", "POST /logout", HTMX, "204 … /"),
    ],
    ("docs/how-to/spa.md", "app"): [
        ("nobody", "GET /orders/17", {}, "<!doctype html>"),
        ("nobody", "GET /api/me", {"Sec-Fetch-Mode": "cors", "Referer": f"{APP}/orders/17"},
         "401 … /.ory/self-service/login/browser?return_to=http%3A%2F%2F127.0.0.1%3A8000%2Forders%2F17"),
        ("nobody", "GET /.ory/self-service/login/browser", {}, "303"),
        ("ada", "GET /api/me", {}, '"email":"ada@example.test"'),
        ("ada", "POST /api/orders", {}, "ordered_by"),
        ("an old login", "POST /api/orders", {}, "session_refresh_required"),
        ("ada", "POST /logout", {"Origin": APP}, "204"),
    ],
    ("docs/how-to/many-hosts.md", "app"): [
        ("nobody", "GET https://acme.example.com/orders", NAVIGATE, "return_to=https%3A%2F%2Facme.example"),
        ("acme", "GET https://acme.example.com/orders", {}, "the orders of acme"),
        ("acme", "GET https://umbrella.example.com/orders", {}, "403"),
        ("acme", "GET https://evil.test/orders", {}, "421"),
    ],
}  # fmt: skip
