"""The example on a deployment: the application, its Kratos, and the ways in which a test reaches behind it."""

import os
import re
import time
from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import httpx2
import pyotp
import pytest
from fastapi import FastAPI

from example_app.app import create_app
from example_app.kratos_backend import Backend, embedded
from ory_guard import GuardSettings
from ory_guard.testing import FakeKratos

__all__ = ["APP_URL", "PASSWORD", "Deployment", "embedded_deployment", "live_deployment", "new_email"]

APP_URL: Final = "http://127.0.0.1:4455"
PASSWORD: Final = "lanterns-over-the-quay-7"


@dataclass
class Deployment:
    """The application and its Kratos.

    Attributes:
        app: The application.
        backend: What it talks to.
        admin_url: A real Kratos' admin API, where its emails are read.
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
        """Where the application is."""
        return str(self.backend.settings.app_url)

    def wait(self, seconds: float) -> None:
        """Let time pass for the guard and for the embedded Kratos."""
        self.fake.clock.advance(seconds)

    def code_for(self, email: str) -> str:
        """Return the code in the newest email to an address."""
        if self.backend.fake is not None:
            return next(message.code for message in self.fake.messages if message.recipient == email)
        answer = httpx2.get(f"{self.admin_url}/admin/courier/messages", params={"recipient": email})
        newest = max(answer.json(), key=lambda message: str(message["created_at"]).removesuffix("Z"))
        return str(re.findall(r"\b[0-9]{6}\b", newest["body"])[0])

    def totp(self, secret: str) -> str:
        """Return what an authenticator app shows now."""
        now = time.time() if self.backend.fake is None else self.fake.clock.time()
        return pyotp.TOTP(secret).at(int(now))


def embedded_deployment(app_url: str = APP_URL) -> Deployment:
    """Return the application with a Kratos of its own."""
    backend = embedded(app_url)
    return Deployment(create_app(backend), backend)


def live_deployment() -> Deployment:
    """Return the application with the real Kratos that the environment names, or skip the test."""
    public, admin = os.environ.get("ORY_GUARD_LIVE_KRATOS"), os.environ.get("ORY_GUARD_LIVE_KRATOS_ADMIN")
    if not public or not admin:
        pytest.skip("set ORY_GUARD_LIVE_KRATOS and ORY_GUARD_LIVE_KRATOS_ADMIN to a Kratos' public and admin URL")
    backend = Backend(GuardSettings(kratos_public_url=public, app_url=APP_URL))
    return Deployment(create_app(backend), backend, admin.rstrip("/"))


def new_email() -> str:
    """Return an email address that nobody used before: a real Kratos remembers earlier runs."""
    return f"ada-{uuid4().hex[:12]}@example.test"
