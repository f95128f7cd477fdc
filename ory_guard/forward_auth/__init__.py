"""Check the sessions of requests to services in any language, for the reverse proxy in front of them.

`ForwardAuth` is the ASGI application for `auth_request` of nginx, ForwardAuth of Traefik, `forward_auth` of Caddy
and `ext_authz` of Envoy. `ory-guard serve` runs it.
"""

from ory_guard.forward_auth.application import SECRET_HEADER, ForwardAuth
from ory_guard.forward_auth.identity_headers import DEFAULT_IDENTITY_HEADERS, IdentityValue

__all__ = ["DEFAULT_IDENTITY_HEADERS", "SECRET_HEADER", "ForwardAuth", "IdentityValue"]
