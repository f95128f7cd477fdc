"""The arguments of `FlowPages`: languages, templates, brand and colors of the application."""

from pathlib import Path
from typing import Any

import pytest
from example.html_page import parse
from support.guard_bench import settings_of
from support.scripted_kratos import ScriptedKratos

from ory_guard import GuardSettings, OryGuard
from ory_guard.exceptions import ConfigurationError
from ory_guard.ui import FlowPages

from .mounted_pages import APP_URL, KRATOS_URL, Mounted
from .rendered_flows import Elements

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("accepted", "language", "title"),
    [
        ("de", "de", "Anmelden"),
        ("de-AT,en;q=0.5", "de", "Anmelden"),
        ("en;q=0.4,de;q=0.9", "de", "Anmelden"),
        ("de;q=0,en", "en", "Sign in"),
        ("nl", "nl", "Inloggen"),
        ("it,*;q=0.1", "en", "Sign in"),
        ("de;q=x", "en", "Sign in"),
        ("de;level=1", "en", "Sign in"),
        ("", "en", "Sign in"),
    ],
)
async def test_language_is_that_of_the_browser(accepted: str, language: str, title: str) -> None:
    mounted = Mounted(translations={"nl": {"title.login": "Inloggen", 1070001: "Wachtwoord"}})

    response = await mounted.get("/login", headers={"accept-language": accepted})

    assert parse(response.text).title == f"{title} · 127.0.0.1"
    assert f'<html lang="{language}">' in response.text
    password = {"de": "Passwort", "nl": "Wachtwoord", "en": "Password"}[language]
    assert f">{password}</label>" in response.text


async def test_application_replaces_templates_texts_and_colors(tmp_path: Path) -> None:
    (tmp_path / "flow.html").write_text(
        '{% extends "ory_guard/flow.html" %}{% block before_forms %}<p>{{ hint }}</p>{% endblock %}'
    )
    (tmp_path / "theme.css").write_text(":root { --accent: red }")
    mounted = Mounted(
        templates=tmp_path,
        brand="Acme <Ltd>",
        logo="/static/logo.svg",
        head='<link rel="stylesheet" href="/static/acme.css">',
        foot="<p>Imprint</p>",
        translations={"en": {"title.login": "Log in"}},
        context_processors=[lambda request: {"hint": request.url.path}],
    )

    response = await mounted.get("/login")
    theme = await mounted.get("/assets/theme.css")

    assert "<p>/auth/login</p>" in response.text
    assert "<title>Log in · Acme &lt;Ltd&gt;</title>" in response.text
    assert 'src="/static/logo.svg"' in response.text
    assert 'href="/static/acme.css"' in response.text
    assert "<p>Imprint</p>" in response.text
    assert theme.text == ":root { --accent: red }"
    assert repr(mounted.pages) == "<FlowPages 'Acme <Ltd>'>"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"logo": "https://cdn.example/logo.svg"}, "is on another site"),
        ({"logo": "//cdn.example/logo.svg"}, "is on another site"),
        ({"templates": "/no/such/folder"}, "is not a folder"),
        ({"form_origins": "https://a.example"}, "is a string"),
        ({"form_origins": ["https://a.example/path"]}, "must be an origin"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        FlowPages(OryGuard(settings_of(), transport=ScriptedKratos()), **arguments)


def test_app_url_is_required() -> None:
    settings = GuardSettings(kratos_public_url=KRATOS_URL, credentials=("bearer",))

    with pytest.raises(ConfigurationError, match="FlowPages needs app_url"):
        FlowPages(OryGuard(settings))


@pytest.mark.parametrize("logo", ["data:image/png;base64,AA==", f"{APP_URL}/logo.svg", None])
async def test_logo_may_be_on_this_site_or_in_the_page(logo: str | None) -> None:
    response = await Mounted(logo=logo).get("/login")

    assert [image["src"] for image in Elements(response.text).of("img")] == ([] if logo is None else [logo])
