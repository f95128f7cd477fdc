"""The requests and responses of the fake: ASGI, cookies, CORS, routes."""
