"""Kratos' public API under the origin of the application.

`app.mount("/.ory", KratosProxy(guard))`, with `kratos_browser_url` set to `app_url` plus `/.ory`, makes all cookies
cookies of one host, so that neither CORS nor a cookie domain is needed.
"""

from ory_guard.proxy.kratos_proxy import KratosProxy

__all__ = ["KratosProxy"]
