"""From the wheel alone: `ory-guard fake`, an application of ten lines and a browser, until a page at aal2."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx2
import pyotp
import pytest
from playwright.sync_api import Browser, expect
from support.doc_pages import ROOT
from support.ports import free_port

pytestmark = [pytest.mark.package, pytest.mark.browser, pytest.mark.timeout(600)]

UV: Final = str(Path(sys.executable).parent / "uv")
APPLICATION: Final = """
from fastapi import Depends, FastAPI
from ory_guard import GuardSettings, OryGuard
from ory_guard.fastapi import install, require_aal

app = FastAPI()
install(app, OryGuard(GuardSettings.from_env()))

@app.get("/vault", dependencies=[Depends(require_aal("aal2"))])
async def vault() -> str:
    return "three spare keys"
"""
PAGES: Final = """
from ory_guard.ui import FlowPages
app.mount("/auth", FlowPages(app.user_middleware[0].kwargs["guard"]))
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the commands of an environment that has the wheel and its extras."""
    folder = tmp_path_factory.mktemp("wheel")
    run = [UV, "build", "--quiet", "--wheel", "--out-dir", str(folder)]
    subprocess.run(run, cwd=ROOT, check=True)
    environment = folder / "environment"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True)
    wheel = f"{next(folder.glob('*.whl'))}[cli,fastapi,testing,ui]"
    install = [UV, "pip", "install", "--quiet", "--constraint", str(ROOT / "requirements.lock")]
    subprocess.run([*install, "--python", str(environment / "bin" / "python"), wheel], check=True)
    return environment / "bin"


@contextmanager
def started(url: str, *command: str, cwd: Path, **environment: str) -> Iterator[None]:
    """Run a server until the block ends, after it has responded."""
    process = subprocess.Popen(
        command, cwd=cwd, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            with suppress(httpx2.TransportError):
                httpx2.get(url)
                break
            assert process.poll() is None, command
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("owns_pages", [False, True], ids=["pages of the fake", "pages of the application"])
def test_browser_gets_to_aal2(browser: Browser, scripts: Path, tmp_path: Path, owns_pages: bool) -> None:
    port, admin_port, app_port = free_port(), free_port(), free_port()
    kratos, app_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{app_port}"
    (tmp_path / "ten_lines.py").write_text(APPLICATION + PAGES * owns_pages)
    fake = [str(scripts / "ory-guard"), "fake", "--port", str(port), "--admin-port", str(admin_port)]
    fake += ["--app-url", app_url, *(["--ui-url", f"{app_url}/auth"] if owns_pages else [])]
    serve = [str(scripts / "uvicorn"), "ten_lines:app", "--port", str(app_port)]
    settings = {"ORY_GUARD_KRATOS_PUBLIC_URL": kratos, "ORY_GUARD_APP_URL": app_url}

    with (
        started(f"{kratos}/health/alive", *fake, cwd=tmp_path),
        started(f"{app_url}/docs", *serve, cwd=tmp_path, **settings),
    ):
        page = browser.new_page()
        page.goto(f"{app_url}/vault")
        assert page.url.startswith(f"{app_url}/auth/login" if owns_pages else f"{kratos}/ui/login")
        page.get_by_role("link", name="Create an account").click()
        page.locator('[name="traits.email"]').fill("ada@example.test")
        page.keyboard.press("Enter")
        page.locator('[name="password"]').fill("lanterns-over-the-quay-7")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Email verification")).to_be_visible()
        page.goto(f"{app_url}/vault")
        secret = page.locator("#totp_secret_key code").inner_text()
        page.locator('[name="totp_code"]').fill(pyotp.TOTP(secret).now())
        page.keyboard.press("Enter")

        page.wait_for_url(f"{app_url}/vault")
        expect(page.get_by_text("three spare keys")).to_be_visible()
        page.close()
