"""Attacks on the description of the client's request."""

import pytest
from sub_requests import HOST, changed, forwarded, without

METHOD, URI, HOST_NAME = b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host"

REJECTED_HEADERS = [
    pytest.param([], id="no headers"),
    pytest.param(without(forwarded(), METHOD), id="no method"),
    pytest.param(without(forwarded(), URI), id="no URI"),
    pytest.param(without(forwarded(), HOST_NAME), id="no host"),
    pytest.param(changed(METHOD, b""), id="empty method"),
    pytest.param(changed(URI, b""), id="empty URI"),
    pytest.param(changed(HOST_NAME, b""), id="empty host"),
    pytest.param([*forwarded(), (METHOD, b"GET")], id="repeated method"),
    pytest.param([*forwarded(), (URI, b"/public/a")], id="repeated URI"),
    pytest.param([*forwarded(), (HOST_NAME, HOST.encode())], id="repeated host"),
    pytest.param([*forwarded(), (b"x-original-method", b"GET")], id="method of both families"),
    pytest.param([*forwarded(), (b"x-original-uri", b"/public/a")], id="URI of both families"),
    pytest.param([*forwarded(), (b"x-original-host", HOST.encode())], id="host of both families"),
    pytest.param(changed(METHOD, b"GET, POST"), id="two methods in one value"),
    pytest.param(changed(METHOD, b"GE T"), id="method with a space"),
    pytest.param(changed(METHOD, b"GET\xff"), id="method that is not ASCII"),
    *(
        pytest.param(changed(HOST_NAME, host), id=f"host {host!r}")
        for host in (
            *(b"evil.test", b"app.example.com.", b"app.example.com:8443", b"app.example.com:80"),
            *(b"app.example.com, evil.test", b"evil.test, app.example.com", b"user@app.example.com"),
            *(b"app.example.com/", b"app.example.com ", b"app.example.com\xff", b"sub.app.example.com"),
            b"https://app.example.com",
        )
    ),
    *(
        pytest.param(changed(URI, uri), id=f"URI {uri!r}")
        for uri in (
            *(b"http://app.example.com/public/a", b"https://evil.test/public/a"),
            *(b"http://user:pw@app.example.com/public/a", b"app.example.com:443", b"public/a", b"*"),
            *(b"?x=/public/a", b"\\public\\a", b"/public/a /admin", b"/public/a, /public/b"),
            *(b"/public/a\x00", b"/public/a\t", b"/public/a\r\nx: y", b"/public/a#/../admin"),
            *(b"/public/a?x#y", b"/public/a\x7f"),
        )
    ),
]

AMBIGUOUS = [
    *(b"/public/../admin/", b"/public/..", b"/public/./a", b"/public/.", b"/public//a", b"//public/a"),
    *(b"//user@evil.test/public/", b"/public/\\a", b"/public/..\\admin", b"/public/a;b"),
    *(b"/public/..;/admin", b"/public/%2e%2e/admin", b"/public/%2E./admin", b"/public/a%2etxt"),
    *(b"/public/..%2fadmin", b"/public/a%2Fb", b"/public/%5cadmin", b"/public/%5C..%5Cadmin"),
    *(b"/public/a%3bb", b"/public/a%00b", b"/public/a%0d%0ab", b"/public/%252e%252e/admin", b"/public/a%"),
    *(b"/public/a%zz", b"/public/%ff", b"/public/%c0%ae%c0%ae/admin", b"/public/\xc3\xa9", b"/public/\xff"),
    b"/public/%c2%85",
]
