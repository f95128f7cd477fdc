"""The settings of `ory-guard fake` for the hosts of its URLs."""

from typing import Any

import pytest

from ory_guard.cli.fake_settings import host_notes, make_settings

IP, LOCALHOST, OTHER = "http://127.0.0.1:8000", "http://localhost:8000", "http://app.test:8000"
FAKE_AT_IP = "http://127.0.0.1:4433"


@pytest.mark.parametrize(
    ("app_url", "fields", "public_url"),
    [
        pytest.param(IP, {}, FAKE_AT_IP, id="address"),
        pytest.param(LOCALHOST, {}, "http://localhost:4433", id="localhost"),
        pytest.param(OTHER, {}, FAKE_AT_IP, id="other host"),
        pytest.param(LOCALHOST, {"public_url": "https://id.test"}, "https://id.test", id="configured"),
    ],
)
def test_pages_of_the_command_have_the_host_of_the_application(
    app_url: str, fields: dict[str, Any], public_url: str
) -> None:
    settings = make_settings(fields, app_url=app_url, serves_pages=True)

    assert (settings.public_url, settings.ui_url) == (public_url, f"{public_url}/ui")
    assert settings.admin_url == "http://127.0.0.1:4434"
    assert (settings.default_return_url, settings.allowed_return_urls[-1]) == (app_url, app_url)


@pytest.mark.parametrize("serves_pages", [True, False])
@pytest.mark.parametrize(
    ("fields", "app_url", "expected"),
    [
        pytest.param({}, LOCALHOST, "localhost", id="localhost"),
        pytest.param({}, IP, None, id="address"),
        pytest.param({"webauthn_id": "app.test", "webauthn_origins": (OTHER,)}, IP, "app.test", id="configured"),
    ],
)
def test_relying_party_is_the_host_of_the_pages(
    fields: dict[str, Any], app_url: str, expected: str | None, serves_pages: bool
) -> None:
    """An IP address can't be a relying party, so the method is disabled."""
    given = fields if serves_pages else {**fields, "ui_url": f"{app_url}/auth"}
    settings = make_settings(given, app_url=app_url, serves_pages=serves_pages)
    page_origin = "/".join(settings.login_ui_url.split("/")[:3])

    assert ("webauthn" in settings.methods) is (expected is not None)
    if expected is not None:
        assert settings.webauthn_id == expected
        assert settings.webauthn_origins == (fields.get("webauthn_origins") or (page_origin,))


def test_relying_party_has_its_default_without_a_url() -> None:
    settings = make_settings({})

    assert ("webauthn" in settings.methods, settings.webauthn_id) == (True, "localhost")


def test_login_page_without_an_origin_is_not_an_origin_of_the_relying_party() -> None:
    settings = make_settings({"ui_url": LOCALHOST, "login_ui_url": "/login"})

    assert settings.webauthn_origins == ("",)


DISABLED = "Security keys and passkeys are disabled"


@pytest.mark.parametrize(
    ("fields", "app_url", "ui_url", "expected"),
    [
        pytest.param({}, None, None, [], id="no URL"),
        pytest.param({}, IP, None, [DISABLED], id="address"),
        pytest.param({}, LOCALHOST, None, ["Set kratos_public_url to http://localhost:4433: "], id="localhost"),
        pytest.param(
            {},
            OTHER,
            None,
            ["--app-url (app.test) and the fake (127.0.0.1) have different hosts: ", DISABLED],
            id="other",
        ),
        pytest.param(
            {},
            LOCALHOST,
            f"{LOCALHOST}/auth",
            ["--app-url (localhost) and --ui-url (localhost) and the fake (127.0.0.1) have different hosts: "],
            id="pages of the application on another host",
        ),
        pytest.param({}, IP, f"{IP}/auth", [DISABLED], id="pages of the application at an address"),
        pytest.param({"public_url": "https://id.test"}, OTHER, None, [], id="configured host"),
        pytest.param({"methods": frozenset({"password"})}, IP, None, [], id="disabled in the configuration"),
    ],
)
def test_notes_name_what_browsers_reject(
    fields: dict[str, Any], app_url: str | None, ui_url: str | None, expected: list[str]
) -> None:
    given = fields if ui_url is None else {**fields, "ui_url": ui_url}
    settings = make_settings(given, app_url=app_url, serves_pages=app_url is not None and ui_url is None)

    notes = [*host_notes(settings, given, {"--app-url": app_url, "--ui-url": ui_url})]

    assert [note.startswith(start) for note, start in zip(notes, expected, strict=True)] == [True] * len(expected)
