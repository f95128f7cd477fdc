"""Unusual requests, with a plain ASGI, a FastAPI and a Starlette application."""

import pytest
from support.raw_kratos import RawKratos

from ory_guard.exceptions import Refusal

from .applications import KINDS, application
from .bad_inputs import ROUTED, Case, requests
from .bench import ALICE, Bench, Scope, call, identity_of
from .monitor import Monitor, leaks, texts_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("case", "scope", "kind"),
    [
        pytest.param(case, scope, kind, id=f"{kind}-{name}")
        for kind in KINDS
        for name, case, scope in requests()
        if kind == "asgi" or case in ROUTED
    ],
)
async def test_unusual_request_has_the_expected_response(
    case: Case, scope: Scope, kind: str, kratos: RawKratos
) -> None:
    """Kratos receives at most one credential, and the session is that of its user. No text contains a secret."""
    bench = Bench(kratos)
    app = application(kind, bench.guard)
    # FastAPI unquotes all cookies before a dependency runs; that takes a second without the fix of CVE-2024-7592.
    is_slow = kind == "fastapi" and case.name == "cookie that is slow to unquote"
    async with Monitor(longest_block=10.0) if is_slow else Monitor():
        response = await call(app, {**scope})

    assert response.status == case.also.get(kind, case.status)
    if response.status in (200, 101) and "health" not in scope["path"]:
        assert identity_of(response) == ALICE
    if response.status == 401:
        challenge = response.header(b"www-authenticate") or b""
        assert challenge.startswith(b'Bearer realm="ory_guard"')
        assert scope["headers"] or b"error=" not in challenge
        assert response.header(b"cache-control") == b"no-store"
        assert scope.get("method") != "HEAD" or response.body == b""
    assert len(kratos.requests) <= case.calls
    for sent in kratos.requests:
        assert len(sent.credentials) == 1
        assert case.sent is None or sent.credentials == [case.sent]
    texts = [repr(bench.guard)]
    try:
        texts.append(repr(await bench.guard.require(scope, aal="aal2")))
    except Refusal as refusal:
        texts.extend(texts_of(refusal))
    texts.extend(repr(scope[key]) for key in ("state", "user", "auth", "ory_guard"))
    assert not any(map(leaks, texts))
    await bench.guard.aclose()
