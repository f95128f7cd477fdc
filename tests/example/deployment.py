"""The application with its Kratos, its clock and its emails."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pyotp
import pytest
from fastapi import FastAPI
from support.live_kratos import live_kratos
from support.threaded_server import served

from example_app.app import create_app
from example_app.kratos_backend import Backend, embedded
from ory_guard import GuardSettings
from ory_guard.testing import FakeKratos

APP_URL: Final = "http://127.0.0.1:4455"
LIVE_TIMEOUT: Final = 20.0
"""A real Kratos hashes passwords on a machine that also runs the tests and a browser."""

PASSWORD: Final = "lanterns-over-the-quay-7"


@dataclass
class Deployment:
    """The application and its Kratos.

    Attributes:
        app: The application.
        backend: The Kratos and the settings of the guard.
        admin_url: The admin URL of a real Kratos, to read its emails.
    """

    app: FastAPI
    backend: Backend
    admin_url: str = ""

    @property
    def fake(self) -> FakeKratos:
        """The embedded Kratos."""
        assert self.backend.fake is not None

        return self.backend.fake

    @property
    def app_url(self) -> str:
        """The URL of the application."""
        return str(self.backend.settings.app_url)

    def wait(self, seconds: float) -> None:
        """Advance the clock of the guard and of the embedded Kratos."""
        self.fake.clock.advance(seconds)

    def code_for(self, email: str) -> str:
        """Return the code in the newest email to an address."""
        if self.backend.fake is not None:
            return next(message.code for message in self.fake.messages if message.recipient == email)
        response = httpx2.get(f"{self.admin_url}/admin/courier/messages", params={"recipient": email})
        newest = max(response.json(), key=lambda message: str(message["created_at"]).removesuffix("Z"))
        return str(re.findall(r"\b[0-9]{6}\b", newest["body"])[0])

    def totp(self, secret: str) -> str:
        """Return the current code of an authenticator app."""
        return pyotp.TOTP(secret).now()


def embedded_deployment(app_url: str = APP_URL) -> Deployment:
    """Return the application with its embedded Kratos."""
    backend = embedded(app_url)
    return Deployment(create_app(backend), backend)


def live_deployment() -> Deployment:
    """Return the application with the real Kratos of the environment, or skip the test."""
    real = live_kratos()
    real.require_two_steps()
    backend = Backend(GuardSettings(kratos_public_url=real.public, app_url=real.ui_url, timeout=LIVE_TIMEOUT))
    return Deployment(create_app(backend), backend, real.admin)


def live_domain_deployment() -> Deployment:
    """Return the application with a real Kratos for the same domain, or skip the test."""
    if urlsplit(live_kratos().ui_url).hostname != "localhost":
        pytest.skip("the pages in Kratos' configuration are not on localhost")
    return live_deployment()


def new_email() -> str:
    """Return an unused email address; a real Kratos still has the accounts of previous runs."""
    return f"ada-{uuid4().hex[:12]}@example.test"


def serve(create: Callable[..., Deployment], host: str = "127.0.0.1") -> AbstractContextManager[Deployment]:
    """Serve the example on a free port, or with a real Kratos on the port in its configuration.

    Args:
        create: Creates the deployment.
        host: The name of the host in the application's URL, with an embedded Kratos.
    """

    def make(url: str) -> tuple[Any, Deployment]:
        deployment = create(url) if create is embedded_deployment else create()
        return deployment.app, deployment

    return served(make, host, 0 if create is embedded_deployment else live_kratos().port, lifespan="auto")
