"""Unusual requests, with a plain ASGI, a FastAPI and a Starlette application."""

import pytest
from support.raw_kratos import RawKratos

from ory_guard import Anonymous, OryGuard
from ory_guard.exceptions import Refusal

from .applications import KINDS, application
from .bad_inputs import Case, requests
from .harness import Monitor, Reply, Request, call, leaks, texts_of
from .users import ALICE

pytestmark = pytest.mark.anyio

_REQUESTS = [pytest.param(case, request, id=name) for name, case, request in requests()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("case", "request_"), _REQUESTS)
async def test_unusual_request_has_the_expected_response(
    *, case: Case, request_: Request, kind: str, guard: OryGuard, kratos: RawKratos
) -> None:
    """Kratos receives at most one credential, and the session is that of its user."""
    app = application(kind, guard)
    # FastAPI unquotes all cookies before a dependency runs; that takes a second without the fix of CVE-2024-7592.
    is_slow = kind == "fastapi" and case.name == "cookie that is slow to unquote"
    async with Monitor(longest_block=10.0) if is_slow else Monitor():
        reply = await call(app, request_)

    assert reply.status in case.statuses | case.also.get(kind, frozenset())
    if reply.status in (200, 101) and "health" not in request_.path:
        assert reply.identity == ALICE
    assert len(kratos.requests) <= case.calls
    for request in kratos.requests:
        assert len(request.credentials) == 1
        assert case.sent is None or tuple(request.credentials) == case.sent
    _check_challenge(reply, request_, kind)


def _check_challenge(reply: Reply, request: Request, kind: str) -> None:
    if reply.status != 401:
        return
    challenge = reply.one(b"www-authenticate")
    assert challenge.startswith('Bearer realm="ory_guard"')
    assert reply.one(b"cache-control") == "no-store"
    assert request.method != "HEAD" or reply.body == b""
    if not request.headers:
        assert "error=" not in challenge


@pytest.mark.parametrize(("case", "request_"), _REQUESTS)
async def test_texts_contain_no_secret(case: Case, request_: Request, guard: OryGuard, kratos: RawKratos) -> None:
    """The texts of errors, outcomes and of all names in the scope."""
    scope = request_.scope()
    texts: list[str] = []
    try:
        texts.append(repr(await guard.require(scope, aal="aal2")))
    except Refusal as refusal:
        texts.extend(texts_of(refusal))
    published = {key: scope[key] for key in ("state", "user", "auth", "ory_guard")}
    texts.append(f"{published!r} {scope['state']['auth']!r} {scope['user'].session!r} {guard!r}")

    assert not any(leaks(text) for text in texts)


_TRUSTED_BY_OTHER_SYSTEMS = """
    authorization-bypass forwarded front-end-https proxy-authorization remote-addr remote-user true-client-ip via
    x-access-token x-admin x-amzn-oidc-accesstoken x-amzn-oidc-data x-amzn-oidc-identity x-api-key x-auth-email
    x-auth-groups x-auth-request-access-token x-auth-request-email x-auth-request-user x-auth-token x-auth-user
    x-authenticated x-authenticated-userid x-client-cert x-client-ip x-client-verify x-cluster-client-ip
    x-consumer-id x-consumer-username x-credential-identifier x-csrf-token x-custom-ip-authorization
    x-forwarded-access-token x-forwarded-client-cert x-forwarded-email x-forwarded-for x-forwarded-groups
    x-forwarded-host x-forwarded-id-token x-forwarded-port x-forwarded-prefix x-forwarded-preferred-username
    x-forwarded-proto x-forwarded-server x-forwarded-uri x-forwarded-user x-goog-authenticated-user-email
    x-goog-authenticated-user-id x-goog-iap-jwt-assertion x-grant x-hasura-admin-secret x-hasura-role
    x-hasura-user-id x-host x-http-host-override x-http-method x-http-method-override x-id-token x-identity
    x-internal x-internal-request x-jwt-assertion x-kratos-authenticated-identity-id x-method-override
    x-middleware-invoke x-middleware-next x-middleware-prefetch x-middleware-rewrite x-middleware-subrequest
    x-ms-client-principal x-ms-client-principal-id x-ms-token-aad-access-token x-no-auth x-original-host
    x-original-method x-original-remote-addr x-original-uri x-original-url x-ory-session x-override-url
    x-proxy-user x-proxyuser-ip x-real-ip x-remote-addr x-remote-ip x-remote-user x-request-uri x-requested-with
    x-rewrite-url x-role x-roles x-service-token x-session x-session-id x-sessiontoken x-skip-auth x-ssl-client-cert
    x-ssl-client-s-dn x-ssl-client-verify x-test x-token x-url-scheme x-user x-user-email x-user-id x-user-name
    x-username x-userinfo x-vouch-user x-webauth-user x-wp-nonce ory-session ory-session-token session-token
"""


@pytest.mark.parametrize(
    "value", [b"1", b"true", ALICE.encode(), b"tok-A", b"Bearer tok-A", b"/health", b"127.0.0.1"]
)
async def test_headers_that_other_systems_trust_do_not_authenticate(
    value: bytes, guard: OryGuard, kratos: RawKratos
) -> None:
    """A proxy, a framework or another guard accepts each of these headers as proof."""
    for name in _TRUSTED_BY_OTHER_SYSTEMS.split():
        assert await guard.authenticate(Request(((name.encode(), value),)).scope()) == Anonymous(), name
    assert kratos.requests == []
