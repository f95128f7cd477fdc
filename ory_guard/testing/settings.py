"""The configuration of a fake, in the terms of Kratos' configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from ory_guard.exceptions import ConfigurationError
from ory_guard.testing.default_schema import DEFAULT_SCHEMA
from ory_guard.testing.settings_values import CHOICES, DURATIONS, PAGES, require_absolute_url, require_one_of
from ory_guard.testing.web_hooks.headers import HEADER_ALLOWLIST

__all__ = ["DEFAULT_METHODS", "METHODS", "FakeKratosSettings", "Hook", "OidcProvider", "TokenizerTemplate"]

RequiredAal = Literal["aal1", "highest_available"]
Delivery = Literal["code", "link"]
Hook = Mapping[str, Any]
"""A hook in the form of Kratos' configuration, such as `{"hook": "session"}`."""

METHODS: Final = frozenset(
    {"password", "totp", "lookup_secret", "code", "link", "profile", "webauthn", "passkey", "oidc"}
)
DEFAULT_METHODS: Final = METHODS - {"passkey"}


@dataclass(frozen=True, slots=True)
class TokenizerTemplate:
    """A template for the JWTs of `tokenize_as`.

    Args:
        ttl: Seconds until the token expires.
        claims: Claim names, each with a dotted path in the session document (`identity.traits.email`).
        constants: Claim names, each with a constant value, such as `aud`.
    """

    ttl: float = 60.0
    claims: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """A social sign-in provider. The fake also serves the provider's consent page.

    Args:
        id: The provider's id in forms and in the callback path.
        issuer_url: The provider's base URL for browsers; by default a path below the fake's public URL.
        client_id: The OAuth client id of Kratos.
        scope: The scopes that Kratos requests.
        label: The name of the provider for users; by default `generic`, the kind of provider.
    """

    id: str
    issuer_url: str | None = None
    client_id: str = "kratos"
    scope: tuple[str, ...] = ("openid", "email")
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeKratosSettings:
    """The configuration of one fake. The defaults are those of the recordings marked `server: default`.

    Durations are in seconds. Values are validated when the settings are created.

    Args:
        public_url: `serve.public.base_url`: the URL for browsers and services; has a path if the app is mounted.
        admin_url: `serve.admin.base_url`: where the public API redirects paths of the admin API to.
        cors_enabled: `serve.public.cors.enabled`.
        cors_allowed_origins: `serve.public.cors.allowed_origins`; by default the origin of the UI. `*` allows all.
        ui_url: The base URL of the self-service UI; the URLs of its pages are derived from it unless they are set.
        default_return_url: `selfservice.default_browser_return_url`.
        logout_return_url: `selfservice.flows.logout.after.default_browser_return_url`.
        verification_return_url: `selfservice.flows.verification.after.default_browser_return_url`.
        login_ui_url: `selfservice.flows.login.ui_url`; the same for the other flows and for `error`.
        allowed_return_urls: `selfservice.allowed_return_urls`.
        whoami_required_aal: `session.whoami.required_aal`.
        settings_required_aal: `selfservice.flows.settings.required_aal`.
        session_lifespan: `session.lifespan`.
        privileged_session_max_age: `selfservice.flows.settings.privileged_session_max_age`.
        cookie_name: `session.cookie.name`.
        cookie_path: `cookies.path`.
        cookie_domain: `cookies.domain`.
        cookie_same_site: `cookies.same_site`.
        session_cookie_path: `session.cookie.path`; None for that of all cookies.
        session_cookie_domain: `session.cookie.domain`; None for that of all cookies.
        session_cookie_same_site: `session.cookie.same_site`; None for that of all cookies.
        cookie_secure: Whether cookies have the Secure attribute; Kratos omits it with `--dev`.
        cacheable_sessions: `feature_flags.cacheable_sessions`.
        cacheable_sessions_max_age: `feature_flags.cacheable_sessions_max_age`.
        login_lifespan: `selfservice.flows.login.lifespan`; the same for the other flows.
        login_style: `selfservice.flows.login.style`: whether the login asks for the identifier first.
        registration_enabled: `selfservice.flows.registration.enabled`; the same for recovery and verification.
        recovery_use: `selfservice.flows.recovery.use`: whether emails contain a code or a link; the same for
            verification.
        return_urls: `selfservice.flows.<flow>.after.default_browser_return_url`, under the name of the flow, or of
            the flow and a method, such as `login.password`.
        methods: The enabled `selfservice.methods`: by default all but `passkey`.
        code_passwordless_enabled: `selfservice.methods.code.passwordless_enabled`.
        code_mfa_enabled: `selfservice.methods.code.mfa_enabled`.
        code_lifespan: `selfservice.methods.code.config.lifespan`.
        code_max_submissions: `selfservice.methods.code.config.max_submissions`.
        link_lifespan: `selfservice.methods.link.config.lifespan`.
        hasher: `hashers.algorithm`. Only bcrypt limits the length of passwords.
        min_password_length: `selfservice.methods.password.config.min_password_length`.
        totp_issuer: `selfservice.methods.totp.config.issuer`.
        webauthn_name: `selfservice.methods.webauthn.config.rp.display_name`.
        webauthn_id: `selfservice.methods.webauthn.config.rp.id`: the domain of the UI.
        webauthn_origins: `selfservice.methods.webauthn.config.rp.origins`: the origins of the UI; by default the
            domain with the scheme of `public_url`, without port.
        webauthn_passwordless: `selfservice.methods.webauthn.config.passwordless`: whether security keys are a first
            factor.
        passkey_name: `selfservice.methods.passkey.config.rp.display_name`.
        passkey_id: `selfservice.methods.passkey.config.rp.id`.
        passkey_origins: `selfservice.methods.passkey.config.rp.origins`; by default as `webauthn_origins`.
        oidc_providers: `selfservice.methods.oidc.config.providers`.
        oidc_base_redirect_uri: `selfservice.methods.oidc.config.base_redirect_uri`; by default the public URL.
        session_after_registration: Whether the `session` hook runs after registration; used if `hooks` has no
            hooks there.
        verification_after_registration: The same for the `show_verification_ui` hook.
        hooks: The hooks of each flow under their key in `selfservice.flows`, such as `login.after.password`. Hooks
            under `login.after` run after the methods that have no hooks of their own. The fake has `session`,
            `show_verification_ui`, `require_verified_address`, `revoke_active_sessions` and `web_hook`.
        web_hook_header_allowlist: `clients.web_hook.header_allowlist`: the request headers that bodies of web hooks
            can contain.
        two_steps_registration: Whether registration asks for traits and credential in two steps.
        tokenizer_templates: `session.whoami.tokenizer.templates`.
        identity_schemas: Schema ids, each with its JSON Schema; by default the recorded schema.
        default_schema_id: `identity.default_schema_id`.
        version: `version`: a Kratos release, whose documents differ in a few fields from those of the main branch;
            empty for the main branch of 2026-07-29, which the recordings marked `server: default` show.

    Raises:
        ConfigurationError: If a value is invalid.
    """

    public_url: str = "http://127.0.0.1:4433"
    admin_url: str = "http://127.0.0.1:4434"
    cors_enabled: bool = False
    cors_allowed_origins: tuple[str, ...] = ()
    ui_url: str = "http://127.0.0.1:4455"
    default_return_url: str = ""
    logout_return_url: str = ""
    verification_return_url: str = ""
    login_ui_url: str = ""
    registration_ui_url: str = ""
    recovery_ui_url: str = ""
    verification_ui_url: str = ""
    settings_ui_url: str = ""
    error_ui_url: str = ""
    allowed_return_urls: tuple[str, ...] = ()
    whoami_required_aal: RequiredAal = "highest_available"
    settings_required_aal: RequiredAal = "highest_available"
    session_lifespan: float = 3600.0
    privileged_session_max_age: float = 900.0
    cookie_name: str = "ory_kratos_session"
    cookie_path: str = "/"
    cookie_domain: str | None = None
    cookie_same_site: Literal["Lax", "Strict", "None"] = "Lax"
    session_cookie_path: str | None = None
    session_cookie_domain: str | None = None
    session_cookie_same_site: Literal["Lax", "Strict", "None"] | None = None
    cookie_secure: bool = False
    cacheable_sessions: bool = True
    cacheable_sessions_max_age: float = 300.0
    login_lifespan: float = 600.0
    registration_lifespan: float = 600.0
    recovery_lifespan: float = 3600.0
    verification_lifespan: float = 3600.0
    settings_lifespan: float = 3600.0
    login_style: Literal["unified", "identifier_first"] = "unified"
    registration_enabled: bool = True
    recovery_enabled: bool = True
    verification_enabled: bool = True
    recovery_use: Delivery = "code"
    verification_use: Delivery = "code"
    return_urls: Mapping[str, str] = field(default_factory=dict)
    methods: frozenset[str] = DEFAULT_METHODS
    code_passwordless_enabled: bool = False
    code_mfa_enabled: bool = False
    code_lifespan: float = 3600.0
    code_max_submissions: int = 5
    link_lifespan: float = 3600.0
    hasher: Literal["bcrypt", "argon2"] = "bcrypt"
    min_password_length: int = 8
    totp_issuer: str = "Fake Kratos"
    webauthn_name: str = "Fake Kratos"
    webauthn_id: str = "localhost"
    webauthn_origins: tuple[str, ...] = ()
    webauthn_passwordless: bool = False
    passkey_name: str = "Fake Kratos"
    passkey_id: str = "localhost"
    passkey_origins: tuple[str, ...] = ()
    oidc_providers: tuple[OidcProvider, ...] = ()
    oidc_base_redirect_uri: str | None = None
    session_after_registration: bool = True
    verification_after_registration: bool = True
    hooks: Mapping[str, tuple[Hook, ...]] = field(default_factory=dict)
    web_hook_header_allowlist: tuple[str, ...] = HEADER_ALLOWLIST
    two_steps_registration: bool = True
    tokenizer_templates: Mapping[str, TokenizerTemplate] = field(
        default_factory=lambda: {"jwt_basic": TokenizerTemplate(600.0, {"email": "identity.traits.email"})}
    )
    identity_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"default": DEFAULT_SCHEMA})
    default_schema_id: str = "default"
    version: str = ""

    def __post_init__(self) -> None:
        for name in ("public_url", "admin_url", "ui_url"):
            object.__setattr__(self, name, require_absolute_url(name, getattr(self, name)))
        for name, page in PAGES.items():
            self._default(name, f"{self.ui_url}/{page}")
        self._default("verification_return_url", self.default_return_url)
        self._default("allowed_return_urls", (self.ui_url, "myapp://callback"))
        self._default("cors_allowed_origins", ("://".join(urlsplit(self.ui_url)[:2]),))
        for method in ("webauthn", "passkey"):
            self._default(
                f"{method}_origins", (f"{urlsplit(self.public_url).scheme}://{getattr(self, f'{method}_id')}",)
            )
        for name, allowed in CHOICES.items():
            require_one_of(name, getattr(self, name), allowed)
        if self.session_cookie_same_site is not None:
            name = "session_cookie_same_site"
            require_one_of(name, self.session_cookie_same_site, CHOICES["cookie_same_site"])
        require_one_of("default_schema_id", self.default_schema_id, tuple(self.identity_schemas))
        for method in self.methods:
            require_one_of("methods", method, tuple(sorted(METHODS)))
        for name in DURATIONS:
            if getattr(self, name) <= 0:
                raise ConfigurationError(f"{name} must be greater than 0 seconds, not {getattr(self, name)!r}")

        self._complete_hooks()

    def _complete_hooks(self) -> None:
        """Derive the hooks after registration from both booleans, or else the booleans from the hooks."""
        fields = {
            "session": "session_after_registration",
            "show_verification_ui": "verification_after_registration",
        }
        lists = [hooks for key, hooks in self.hooks.items() if key.startswith("registration.after")]
        if lists:
            names = {hook.get("hook") for hooks in lists for hook in hooks}
            for name, field_name in fields.items():
                object.__setattr__(self, field_name, name in names)
        else:
            after = tuple({"hook": name} for name, field_name in fields.items() if getattr(self, field_name))
            object.__setattr__(self, "hooks", {**self.hooks, "registration.after": after})

    def _default(self, name: str, value: object) -> None:
        if not getattr(self, name):
            object.__setattr__(self, name, value)

    @property
    def is_release(self) -> bool:
        """Whether a release is configured instead of the main branch."""
        return bool(self.version)

    def provider(self, name: object) -> OidcProvider | None:
        """Return the provider with this id, or None."""
        return next((provider for provider in self.oidc_providers if provider.id == name), None)

    def enabled(self, method: str) -> bool:
        """Return whether a method is enabled; `oidc` also requires a provider."""
        return method in self.methods and (method != "oidc" or bool(self.oidc_providers))

    def hooks_after(self, flow: str, method: str) -> tuple[Hook, ...]:
        """Return the hooks that run after a flow that was completed with a method."""
        return self.hooks.get(f"{flow}.after.{method}") or self.hooks.get(f"{flow}.after", ())

    def has_hook_after(self, flow: str, method: str, name: str) -> bool:
        """Return whether a hook runs after a flow that was completed with a method."""
        return any(hook.get("hook") == name for hook in self.hooks_after(flow, method))

    def return_url_after(self, flow: str, method: str) -> str:
        """Return where a browser goes after a flow without `return_to`."""
        urls = self.return_urls
        return urls.get(f"{flow}.{method}") or urls.get(flow) or self.default_return_url
