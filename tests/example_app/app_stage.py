"""The example on a stage: the application, its Kratos, and the ways in which a test has to reach behind it."""

from dataclasses import dataclass
from typing import Any, Final

import pyotp
from app_visitor import Visitor

from example_app.application import create_app
from example_app.backend import Backend, embedded
from ory_guard.testing import FakeKratos

__all__ = ["APP_URL", "PASSWORD", "Stage", "embedded_stage", "enrol", "register"]

APP_URL: Final = "http://127.0.0.1:4455"
PASSWORD: Final = "lanterns-over-the-quay-7"


@dataclass
class Stage:
    """The application and its embedded Kratos."""

    app: Any
    backend: Backend

    @property
    def fake(self) -> FakeKratos:
        """The embedded Kratos."""
        assert self.backend.fake is not None

        return self.backend.fake

    def wait(self, seconds: float) -> None:
        """Let time pass for the guard and for Kratos."""
        self.fake.clock.advance(seconds)

    def code_for(self, email: str) -> str:
        """Return the code in the newest e-mail to an address."""
        return next(message.code for message in self.fake.messages if message.recipient == email)

    def totp(self, secret: str) -> str:
        """Return what an authenticator app shows now."""
        return pyotp.TOTP(secret).at(int(self.fake.clock.time()))


def embedded_stage(app_url: str = APP_URL) -> Stage:
    """Return the application with a Kratos of its own."""
    backend = embedded(app_url)
    return Stage(create_app(backend), backend)


async def register(visitor: Visitor, email: str = "ada@example.test") -> None:
    """Create an account in its two steps; the visitor ends on the verification page, signed in."""
    await visitor.open("/registration")
    await visitor.press("Sign up", traits__email=email, traits__name__first="Ada")
    await visitor.press("Sign up", password=PASSWORD)


async def enrol(visitor: Visitor, stage: Stage) -> str:
    """Set up an authenticator app on the settings page that is open, and return its secret."""
    secret = visitor.message(r"scan the QR code\. ([A-Z2-7]{32})")
    form = next(form for form in visitor.page.forms if any(name == "totp_code" for name, _ in form.fields))
    await visitor.press_in(form, form.buttons[0], totp_code=stage.totp(secret))
    return secret
