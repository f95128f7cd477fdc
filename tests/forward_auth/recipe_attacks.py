"""Attacks on a recipe: targets, and lines of headers."""

# Some server reads each of these as /admin/…, or as a path that needs a session.
PATHS = [
    *(b"/page", b"/admin/", b"/admin", b"/ADMIN/", b"/static/../admin/", b"/static/./../admin/"),
    *(b"/static/..", b"/static//../../admin/", b"//admin/", b"/static/..//admin/", b"/static/..;/admin/"),
    *(b"/static;x/../admin/", b"/static/..%2fadmin/", b"/static/..%2Fadmin/", b"/static%2f..%2fadmin/"),
    *(b"/static/%2e%2e/admin/", b"/static/%2E%2E/admin/", b"/static/.%2e/admin/", b"/static/..%5cadmin/"),
    *(b"/static/..\\admin/", b"/static\\..\\admin/", b"/static/%252e%252e/admin/"),
    *(b"/static/%c0%ae%c0%ae/admin/", b"/static/..%00/admin/", b"/static/%00/../admin/"),
    *(b"/static/\xff/../admin/", b"/static/%ff", b"/static/a#/../../admin/"),
    *(b"/static/a?/../../admin/../..#", b"/?/admin/", b"http://app.example.com/admin/"),
    *(b"http://evil.test/admin/", b"http://user@app.example.com/admin/", b"https://evil.test/static/a"),
    *(b"*", b"admin/", b"/static/a /admin/", b"/%61dmin/"),
]

FORGED = [
    ["X-Forwarded-Uri: /static/a"],
    ["X-Original-URI: /static/a"],
    ["X-Original-Uri: /static/a", "X-Forwarded-Uri: /static/a"],
    ["X_Forwarded_Uri: /static/a", "X_Original_Uri: /static/a"],
    ["X-Rewrite-URL: /static/a", "X-Original-URL: /static/a"],
    ["X-Forwarded-Method: OPTIONS", "X-Original-Method: OPTIONS", "X-HTTP-Method-Override: OPTIONS"],
    ["X-Forwarded-Host: evil.test", "X-Original-Host: evil.test", "Forwarded: host=evil.test"],
    ["X-Ory-Guard-Secret: 0123456789abcdef"],
    ["Connection: X-Forwarded-Uri, X-Original-URI"],
    ["Connection: X-Forwarded-Method, X-Original-Method, X-Forwarded-Host, X-Original-Host"],
    ["X-User-Id: admin", "X-Set-Cookie-1: a=b"],
    ["Content-Length: 0", "X-Accel-Redirect: /static/a"],
]

IDENTITIES = [
    ["X-User-Id: admin"],
    ["x-user-id: admin", "X-USER-ID: root"],
    ["X_User_Id: admin"],
    ["X-User_Id: admin", "X_User-Id: admin"],
    ["x_user_email: admin@example.com"],
    ["X-User-Id : admin"],
    ["X-User-Email: admin@example.com", "X-User-Email:"],
    ["Connection: X-User-Id"],
    ["Connection: close, x-user-id", "X-User-Id: admin"],
    ["Connection: keep-alive", "Connection: X-User-Email,X-User-Id"],
    ["Connection: X_User_Id", "X_User_Id: admin"],
]

WEBSOCKETS = [
    [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ],
    ["Upgrade: WebSocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Version: 13"],
    ["Upgrade: websocket", "Connection: upgrade"],
    ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="],
    ["Sec-Fetch-Mode: websocket", "Sec-Fetch-Site: same-origin"],
]
