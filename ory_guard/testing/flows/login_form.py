"""The forms of login flows."""

from ory_guard.testing.flows.ui_messages import message
from ory_guard.testing.flows.ui_nodes import Ui, input_node, password_node, submit_node
from ory_guard.testing.settings import FakeKratosSettings
from ory_guard.testing.store.identity_schema import IdentitySchema
from ory_guard.testing.store.records import Identity

__all__ = ["fill_first_factor", "fill_refresh", "fill_second_factor"]


def fill_first_factor(ui: Ui, settings: FakeKratosSettings, schema: IdentitySchema) -> None:
    """Add the form of the first factor; providers come first, as in Kratos."""
    _fill_providers(ui, settings)
    trait = schema.identifier_trait
    if not settings.enabled("password") or trait is None:
        return
    label = message(1070002, {"name": trait.name, "title": trait.title})
    ui.set_node(input_node("default", "identifier", "text", "", label, required=True))
    ui.set_node(password_node("current-password"))
    ui.set_node(submit_node("password", "password", 1010022))


def fill_refresh(ui: Ui, settings: FakeKratosSettings, identity: Identity, schema: IdentitySchema) -> None:
    """Add the form that asks for one of the identity's own first factors again."""
    if identity.credentials.oidc_subjects:
        _fill_providers(ui, settings, only=frozenset(identity.credentials.oidc_subjects))
    if identity.credentials.password is None or not settings.enabled("password"):
        return
    identifier = next(iter(schema.identifiers(identity.traits)), "")
    ui.set_node(input_node("default", "identifier", "hidden", identifier))
    ui.set_node(password_node("current-password"))
    ui.set_node(submit_node("password", "password", 1010001))


def fill_second_factor(ui: Ui, settings: FakeKratosSettings, identity: Identity) -> None:
    """Add the form of the second factor."""
    enrolled = identity.credentials.second_factors
    if "totp" in enrolled and settings.enabled("totp"):
        ui.set_node(input_node("totp", "totp_code", "text", "", message(1010006), required=True))
        ui.set_node(submit_node("totp", "totp", 1010009))
    if "lookup_secret" in enrolled and settings.enabled("lookup_secret"):
        label = message(1010007)
        ui.set_node(input_node("lookup_secret", "lookup_secret", "text", "", label, required=True))
        ui.set_node(submit_node("lookup_secret", "lookup_secret", 1010010))


def _fill_providers(
    ui: Ui,
    settings: FakeKratosSettings,
    only: frozenset[str] | None = None,
) -> None:
    if not settings.enabled("oidc"):
        return
    provider_ids = [provider.id for provider in settings.oidc_providers if only is None or provider.id in only]
    ui.nodes[:0] = [
        submit_node("oidc", name, 1010002, "provider", provider=name, provider_id=name) for name in provider_ids
    ]
