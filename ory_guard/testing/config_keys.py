"""The keys of Kratos' configuration: those that configure the fake, and what happens with the others."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ory_guard.testing.config_values import (
    parse_boolean,
    parse_choice,
    parse_duration,
    parse_integer,
    parse_providers,
    parse_string,
    parse_strings,
    parse_templates,
)
from ory_guard.testing.settings import METHODS

__all__ = ["FLOWS", "KEYS", "KRATOS_DEFAULTS", "hint", "is_ignored", "notes"]

FLOWS: Final = ("login", "registration", "recovery", "verification", "settings")
_OPTIONAL_FLOWS: Final = ("registration", "recovery", "verification")

KEYS: Final[dict[str, tuple[str, Callable[[object], Any]]]] = {
    "serve.public.base_url": ("public_url", parse_string),
    "serve.admin.base_url": ("admin_url", parse_string),
    "serve.public.cors.enabled": ("cors_enabled", parse_boolean),
    "serve.public.cors.allowed_origins": ("cors_allowed_origins", parse_strings),
    "selfservice.default_browser_return_url": ("default_return_url", parse_string),
    "selfservice.allowed_return_urls": ("allowed_return_urls", parse_strings),
    "selfservice.flows.error.ui_url": ("error_ui_url", parse_string),
    "selfservice.flows.logout.after.default_browser_return_url": ("logout_return_url", parse_string),
    "selfservice.flows.verification.after.default_browser_return_url": ("verification_return_url", parse_string),
    "selfservice.flows.settings.required_aal": ("settings_required_aal", parse_string),
    "selfservice.flows.settings.privileged_session_max_age": ("privileged_session_max_age", parse_duration),
    "selfservice.flows.login.style": ("login_style", parse_string),
    "selfservice.flows.recovery.use": ("recovery_use", parse_string),
    "selfservice.flows.verification.use": ("verification_use", parse_string),
    "selfservice.flows.registration.enable_legacy_one_step": (
        "two_steps_registration",
        lambda value: not parse_boolean(value),
    ),
    "selfservice.flows.registration.style": (
        "two_steps_registration",
        lambda value: parse_choice(value, {"profile_first": True, "unified": False}),
    ),
    **{f"selfservice.flows.{flow}.enabled": (f"{flow}_enabled", parse_boolean) for flow in _OPTIONAL_FLOWS},
    **{f"selfservice.flows.{flow}.ui_url": (f"{flow}_ui_url", parse_string) for flow in FLOWS},
    **{f"selfservice.flows.{flow}.lifespan": (f"{flow}_lifespan", parse_duration) for flow in FLOWS},
    "selfservice.methods.code.passwordless_enabled": ("code_passwordless_enabled", parse_boolean),
    "selfservice.methods.code.mfa_enabled": ("code_mfa_enabled", parse_boolean),
    "selfservice.methods.code.config.lifespan": ("code_lifespan", parse_duration),
    "selfservice.methods.code.config.max_submissions": ("code_max_submissions", parse_integer),
    "selfservice.methods.link.config.lifespan": ("link_lifespan", parse_duration),
    "selfservice.methods.password.config.min_password_length": ("min_password_length", parse_integer),
    "selfservice.methods.totp.config.issuer": ("totp_issuer", parse_string),
    "selfservice.methods.webauthn.config.rp.display_name": ("webauthn_name", parse_string),
    "selfservice.methods.webauthn.config.rp.id": ("webauthn_id", parse_string),
    "selfservice.methods.webauthn.config.rp.origin": ("webauthn_origins", lambda value: (parse_string(value),)),
    "selfservice.methods.webauthn.config.rp.origins": ("webauthn_origins", parse_strings),
    "selfservice.methods.webauthn.config.passwordless": ("webauthn_passwordless", parse_boolean),
    "selfservice.methods.passkey.config.rp.display_name": ("passkey_name", parse_string),
    "selfservice.methods.passkey.config.rp.id": ("passkey_id", parse_string),
    "selfservice.methods.passkey.config.rp.origins": ("passkey_origins", parse_strings),
    "selfservice.methods.oidc.config.providers": ("oidc_providers", parse_providers),
    "selfservice.methods.oidc.config.base_redirect_uri": ("oidc_base_redirect_uri", parse_string),
    "session.lifespan": ("session_lifespan", parse_duration),
    "session.cookie.name": ("cookie_name", parse_string),
    "session.cookie.path": ("session_cookie_path", parse_string),
    "session.cookie.domain": ("session_cookie_domain", parse_string),
    "session.cookie.same_site": ("session_cookie_same_site", parse_string),
    "session.cookie.secure": ("cookie_secure", parse_boolean),
    "session.whoami.required_aal": ("whoami_required_aal", parse_string),
    "session.whoami.tokenizer.templates": ("tokenizer_templates", parse_templates),
    "cookies.path": ("cookie_path", parse_string),
    "cookies.domain": ("cookie_domain", parse_string),
    "cookies.same_site": ("cookie_same_site", parse_string),
    "cookies.secure": ("cookie_secure", parse_boolean),
    "feature_flags.cacheable_sessions": ("cacheable_sessions", parse_boolean),
    "feature_flags.cacheable_sessions_max_age": ("cacheable_sessions_max_age", parse_duration),
    "hashers.algorithm": ("hasher", parse_string),
    "identity.default_schema_id": ("default_schema_id", parse_string),
    "clients.web_hook.header_allowlist": ("web_hook_header_allowlist", parse_strings),
    "version": ("version", parse_string),
}

KRATOS_DEFAULTS: Final[dict[str, Any]] = {
    "methods": frozenset({"password", "profile", "code"}),
    "session_lifespan": 86_400.0,
    "privileged_session_max_age": 3_600.0,
    "cacheable_sessions": False,
    "cacheable_sessions_max_age": float("inf"),
    "recovery_enabled": False,
    "verification_enabled": False,
    "tokenizer_templates": {},
    "hooks": {"registration.after": ()},
    **{f"{flow}_lifespan": 3_600.0 for flow in FLOWS},
}
"""The defaults of Kratos, as far as the fake has others."""

_LISTENER: Final = ("host", "port", "request_log", "socket", "tls")
_CORS: Final = (
    "allow_credentials",
    "allowed_headers",
    "allowed_methods",
    "debug",
    "exposed_headers",
    "max_age",
    "options_passthrough",
)
_IGNORED: Final = (
    "ciphers",
    "clients",
    "config",
    "courier",
    "database",
    "dev",
    "dsn",
    "expose-metrics-port",
    "feature_flags.faster_session_extend",
    "hashers.argon2",
    "hashers.bcrypt",
    "help",
    "log",
    "preview",
    "profiling",
    "revision",
    "secrets",
    "selfservice.methods.password.config.haveibeenpwned_enabled",
    "selfservice.methods.password.config.haveibeenpwned_host",
    "selfservice.methods.password.config.ignore_network_errors",
    "selfservice.methods.password.config.max_breaches",
    "selfservice.methods.webauthn.config.rp.icon",
    *(f"serve.{api}.{name}" for api in ("admin", "public") for name in _LISTENER),
    *(f"serve.public.cors.{name}" for name in _CORS),
    "session.earliest_possible_extend",
    "sqa-opt-out",
    "tracing",
    "watch-courier",
)
"""Keys and sections of a complete configuration that have no effect on the fake."""

_UNSUPPORTED: Final[dict[str, str]] = {
    "courier.channels": "the fake keeps messages in memory instead of sending them",
    "courier.http": "the fake keeps messages in memory instead of sending them",
    "courier.template_override_path": "emails have the text of the fake",
    "courier.templates": "emails have the text of the fake",
    "enterprise": "the fake has the schemas of the configuration only",
    "feature_flags.choose_recovery_address": "recovery asks for the whole address",
    "feature_flags.legacy_continue_with_verification_ui": "show_verification_ui decides about `continue_with`",
    "feature_flags.legacy_oidc_registration_node_group": "traits are in the group default",
    "feature_flags.legacy_require_verified_login_error": "the login leads to the verification of the address",
    "feature_flags.password_profile_registration_node_group": "traits are in the group default",
    "oauth2_provider": "a login with login_challenge is an error",
    "organizations": "there are no organizations",
    "security.account_enumeration.mitigate": "responses reveal which accounts exist",
    "selfservice.flows.recovery.notify_unknown_recipients": "unknown addresses get no email",
    "selfservice.flows.registration.login_hints": "errors about taken addresses name no methods",
    "selfservice.flows.verification.notify_unknown_recipients": "unknown addresses get no email",
    "selfservice.methods.b2b": "there are no organizations",
    "selfservice.methods.captcha": "forms have no captcha",
    "selfservice.methods.code.config.missing_credential_fallback_enabled": (
        "codes are sent to the addresses that the schema marks with credentials.code"
    ),
    "selfservice.methods.link.config.base_url": "links have the public URL of the fake",
    "selfservice.methods.password.config.migrate_hook": "the hook is not called",
    "selfservice.methods.saml": "forms have no SAML providers",
}
"""Keys and sections that the fake does not support, each with what it does instead."""

_WITHOUT_EFFECT: Final[tuple[object, ...]] = (None, False, "", "default", [], {})
_SIMILAR: Final = 0.5


def is_ignored(key: str) -> bool:
    """Return whether a key has no effect on the fake, supported or not."""
    return any(f"{key}.".startswith(f"{section}.") for section in (*_IGNORED, *_UNSUPPORTED))


def notes(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the fake does instead of each unsupported feature that a configuration uses.

    Args:
        values: The keys of the configuration and their values.
    """
    for section, instead in _UNSUPPORTED.items():
        if any(f"{key}.".startswith(f"{section}.") and _is_used(value) for key, value in values.items()):
            yield f"{section} is not supported: {instead}"
    if values.get("feature_flags.use_continue_with_transitions") is False:
        yield "feature_flags.use_continue_with_transitions is always on: responses have `continue_with`"
    if values.get("selfservice.methods.password.config.identifier_similarity_check_enabled") is False:
        yield (
            "selfservice.methods.password.config.identifier_similarity_check_enabled is always on: "
            "passwords like the identifier are rejected"
        )
    if values.get("session.cookie.persistent") is False:
        yield "session.cookie.persistent is always on: session cookies have Max-Age"
    yield from _notes_on_jsonnet(values)


def _notes_on_jsonnet(values: Mapping[str, Any]) -> Iterator[str]:
    templates = values.get("session.whoami.tokenizer.templates") or {}
    if any(isinstance(template, dict) and template.get("claims_mapper_url") for template in templates.values()):
        yield (
            "session.whoami.tokenizer.templates: Jsonnet is not evaluated, and a key of the fake signs; JWTs have "
            "the standard claims, and those of the template's `claims` (claim: path in the session) and `constants`"
        )
    if values.get("selfservice.methods.oidc.config.providers"):
        yield (
            "selfservice.methods.oidc.config.providers: a consent page of the fake replaces each provider, and "
            "Jsonnet is not evaluated; the only claim is email"
        )


def _is_used(value: object) -> bool:
    return value not in _WITHOUT_EFFECT


ALWAYS: Final = {
    "feature_flags.use_continue_with_transitions": parse_boolean,
    "selfservice.methods.password.config.identifier_similarity_check_enabled": parse_boolean,
    "session.cookie.persistent": parse_boolean,
}
"""Features that cannot be switched off."""


def hint(key: str) -> str:
    """Return a known key that may have been meant, or else the known keys of the same section, as a sentence."""
    known = {*KEYS, *ALWAYS, *_UNSUPPORTED, *_IGNORED, "identity.schemas", "identities"}
    known |= {f"selfservice.methods.{method}.enabled" for method in METHODS}
    score, best = max((_similarity(key.split("."), candidate.split(".")), candidate) for candidate in known)
    if score >= _SIMILAR:
        return f"did you mean {best}?"
    parent = key.rpartition(".")[0]
    while parent and not any(candidate.startswith(f"{parent}.") for candidate in known):
        parent = parent.rpartition(".")[0]
    depth = len(parent.split(".")) + 1 if parent else 1
    names = {".".join(name.split(".")[:depth]) for name in known if f".{name}".startswith(f".{parent}")}
    return f"known keys{f' of {parent}' if parent else ''}: {', '.join(sorted(names))}"


def _similarity(key: list[str], candidate: list[str]) -> float:
    """Return how similar two keys are: those that differ in one part, or have the same last part elsewhere."""
    if len(key) == len(candidate):
        different = [(left, right) for left, right in zip(key, candidate, strict=True) if left != right]
        return difflib.SequenceMatcher(None, *different[0]).ratio() if len(different) == 1 else 0.0
    is_elsewhere = key[-1] == candidate[-1]
    return difflib.SequenceMatcher(None, key[:-1], candidate[:-1]).ratio() if is_elsewhere else 0.0
