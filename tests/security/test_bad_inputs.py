"""Every bad input, on the guard alone, with FastAPI and with Starlette."""

from collections import Counter

import pytest
from support.raw_kratos import RawKratos

from ory_guard import Anonymous, OryGuard
from ory_guard.exceptions import Refusal

from .applications import KINDS, application
from .bad_inputs import Case, requests
from .harness import Reply, Request, Vigil, call, everything_in, leaks
from .users import ALICE

pytestmark = pytest.mark.anyio

_REQUESTS = [pytest.param(case, request, id=name) for name, case, request in requests()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("case", "request_"), _REQUESTS)
async def test_bad_input_gets_its_answer(
    *,
    case: Case,
    request_: Request,
    kind: str,
    guard: OryGuard,
    kratos: RawKratos,
    tried: Counter[str],
) -> None:
    """The answer is the expected one, Kratos sees at most the one credential, and nobody else is served."""
    tried["bad inputs"] += 1
    app = application(kind, guard)
    # FastAPI unquotes all cookies before any dependency runs: a second on Pythons without CVE-2024-7592's fix.
    vigil = Vigil(longest_block=10.0) if kind == "fastapi" and case.id == "K12" else Vigil()
    async with vigil:
        reply = await call(app, request_)

    assert reply.status in case.statuses | case.also.get(kind, frozenset()), case.about
    if reply.status in (200, 101) and "health" not in request_.path:
        assert reply.identity == ALICE
    assert len(kratos.requests) <= case.asked
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
async def test_nothing_that_is_shown_holds_a_secret(
    case: Case, request_: Request, guard: OryGuard, kratos: RawKratos
) -> None:
    """Errors, outcomes and whatever the guard leaves in the scope name no credential, whoever prints them."""
    scope = request_.scope()
    texts: list[str] = []
    try:
        texts.append(repr(await guard.require(scope, aal="aal2")))
    except Refusal as refusal:
        texts.extend(everything_in(refusal))
    shown = {key: scope[key] for key in ("state", "user", "auth", "ory_guard")}
    texts.append(f"{shown!r} {scope['state']['auth']!r} {scope['user'].session!r} {guard!r}")

    assert not any(leaks(text) for text in texts), case.about


_TRUSTED_ELSEWHERE = """
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
async def test_headers_that_others_trust_are_trusted_by_nobody_here(
    value: bytes, guard: OryGuard, kratos: RawKratos, tried: Counter[str]
) -> None:
    """Each header that some proxy, framework or guard takes for proof leaves the caller a stranger."""
    for name in _TRUSTED_ELSEWHERE.split():
        tried["bad inputs"] += 1
        assert await guard.authenticate(Request(((name.encode(), value),)).scope()) == Anonymous(), name
    assert kratos.requests == []
