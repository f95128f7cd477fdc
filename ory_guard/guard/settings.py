"""The settings of a guard: validated when they are created, so that an invalid value fails at startup."""

import os
import ssl
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)

from ory_guard.exceptions import ConfigurationError
from ory_guard.guard.path_patterns import check_path_pattern
from ory_guard.kratos.urls import base_url, exact_origin, page_url, public_api_url, service_url, unix_socket_of

__all__ = ["ENVIRONMENT_PREFIX", "TOKEN_CHARACTERS", "GuardSettings", "checked_settings", "matches_cookie_name"]

ENVIRONMENT_PREFIX: Final = "ORY_GUARD_"
_Credential = Literal["x_session_token", "cookie", "bearer"]
_LIVE_PREFIX: Final = "ORY_GUARD_LIVE_"

TOKEN_CHARACTERS: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""The characters of a token, and so of a cookie name (RFC 9110, section 5.6.2)."""


def _path_text(path: Any) -> Any:
    return os.fspath(path) if isinstance(path, os.PathLike) else path


def _ca_file(path: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise ValueError(
            f"must be a PEM file with CA certificates ({error.strerror or 'no certificate'})"
        ) from None
    return path


def _cookie_name(name: str) -> str:
    bare = name.removesuffix("*")
    if not bare or not set(bare) <= TOKEN_CHARACTERS - {"*"}:
        raise ValueError("must be a cookie name, with nothing but a trailing * as wildcard")
    return name


def _exact_cookie_name(name: str) -> str:
    if not name or not set(name) <= TOKEN_CHARACTERS - {"*"}:
        raise ValueError("must be a cookie name, without a wildcard")
    return name


def _split_text(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _each(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda values: tuple(check(value) for value in values))


CommaSeparated: Final = BeforeValidator(_split_text)


class GuardSettings(BaseModel):
    r"""The settings of a guard: frozen and validated; times are in seconds, sizes in bytes.

    Args:
        kratos_public_url: URL of Kratos' public API for this service; for a Unix socket, `http+unix://` and its
            path with `%2F` for each slash.
        kratos_browser_url: URL of Kratos' public API for browsers. Default: `kratos_public_url`.
        app_url: Public URL of the application, with its path prefix; required if `credentials` contains `cookie`.
            Every `return_to` starts with it. The `Host` of a request is not used.
        login_url: URL of the login page, which may have a query. Default: Kratos' `/self-service/login/browser`.
        whoami_required_aal: Value of `session.whoami.required_aal` in the configuration of Kratos.
        credentials: Accepted kinds of credentials. The order has no effect: Kratos' order is used.
        cookie_names: Names of the session cookie. A trailing `*` matches any suffix (`ory_session_*`).
        token_cookie_names: Names of cookies of the application that contain a session token, as with a back end for
            a browser. They need `cookie` in `credentials`, and are subject to the same rules as session cookies.
        cache_ttl: Maximum time for which a session is cached; 0 calls Kratos on every request.
        negative_ttl: Time for which a rejected credential, or one that requires a second factor, is cached.
        disconnected_ttl: Maximum time for which a cached session is used while the shared store is unreachable,
            because revocations of other processes can't be received; 0 calls Kratos on every request. Without a
            store the setting has no effect.
        max_sessions: Maximum number of cached sessions; sessions over 2 KiB are weighed separately.
        timeout: Deadline of one session check, including retries and waiting.
        max_response_bytes: Maximum size of a response from Kratos.
        max_upstream_concurrency: Maximum number of concurrent calls to Kratos.
        ca_file: PEM file with the certificate authorities that may issue Kratos' certificate. By default, the file
            in `SSL_CERT_FILE`, or the authorities that the system trusts.
        clock_skew: Maximum difference between Kratos' clock and the clock of this host.
        trusted_origins: Origins, in addition to that of `app_url`, whose pages may send unsafe requests and open
            websockets with a cookie.
        exempt_paths: Paths for which the middleware does not check the session: exact decoded paths, and prefixes
            such as `/static/*`. A prefix does not match a path with a dot segment, `//`, `\`, `%`, `;` or a control
            character.

    Raises:
        ConfigurationError: If a value is invalid. The text contains the field, the value and the valid values.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kratos_public_url: Annotated[str, AfterValidator(public_api_url)]
    kratos_browser_url: Annotated[str, AfterValidator(service_url), AfterValidator(base_url)] = Field(
        default_factory=lambda values: str(values.get("kratos_public_url"))
    )
    app_url: Annotated[str, AfterValidator(service_url)] | None = None
    login_url: Annotated[str, AfterValidator(page_url)] | None = None
    whoami_required_aal: Literal["highest_available", "aal1"] = "highest_available"
    credentials: Annotated[tuple[_Credential, ...], CommaSeparated, Field(min_length=1)] = (
        "x_session_token",
        "cookie",
        "bearer",
    )
    cookie_names: Annotated[tuple[str, ...], CommaSeparated, Field(min_length=1), _each(_cookie_name)] = (
        "ory_kratos_session",
    )
    token_cookie_names: Annotated[tuple[str, ...], CommaSeparated, _each(_exact_cookie_name)] = ()
    cache_ttl: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30.0
    negative_ttl: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 5.0
    disconnected_ttl: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5.0
    max_sessions: Annotated[int, Field(ge=1)] = 10_000
    timeout: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 2.0
    max_response_bytes: Annotated[int, Field(ge=1_024)] = 65_536
    max_upstream_concurrency: Annotated[int, Field(ge=1)] = 64
    ca_file: Annotated[str, BeforeValidator(_path_text), AfterValidator(_ca_file)] | None = None
    clock_skew: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 60.0
    trusted_origins: Annotated[tuple[str, ...], CommaSeparated, _each(exact_origin)] = ()
    exempt_paths: Annotated[tuple[str, ...], CommaSeparated, _each(check_path_pattern)] = ()

    if TYPE_CHECKING:
        # The tuples accept any sequence, and `ca_file` a path; type checkers would infer the types of the fields.
        def __init__(
            self,
            *,
            kratos_public_url: str,
            kratos_browser_url: str = ...,
            app_url: str | None = ...,
            login_url: str | None = ...,
            whoami_required_aal: Literal["highest_available", "aal1"] = ...,
            credentials: Sequence[_Credential] = ...,
            cookie_names: Sequence[str] = ...,
            token_cookie_names: Sequence[str] = ...,
            cache_ttl: float = ...,
            negative_ttl: float = ...,
            disconnected_ttl: float = ...,
            max_sessions: int = ...,
            timeout: float = ...,
            max_response_bytes: int = ...,
            max_upstream_concurrency: int = ...,
            ca_file: str | os.PathLike[str] | None = ...,
            clock_skew: float = ...,
            trusted_origins: Sequence[str] = ...,
            exempt_paths: Sequence[str] = ...,
        ) -> None: ...

    @model_validator(mode="after")
    def _require_app_url(self) -> Self:
        if "cookie" in self.credentials and self.app_url is None:
            raise ConfigurationError(
                f"app_url is required (set {ENVIRONMENT_PREFIX}APP_URL) if credentials contains 'cookie': use the "
                "application's public URL, such as https://app.example.com, or remove 'cookie' from credentials"
            )
        return self

    @model_validator(mode="after")
    def _require_browser_url(self) -> Self:
        if unix_socket_of(self.kratos_browser_url) is not None:
            raise ConfigurationError(
                f"kratos_browser_url is required (set {ENVIRONMENT_PREFIX}KRATOS_BROWSER_URL) if kratos_public_url "
                f"is a Unix socket ({self.kratos_public_url!r}): use the URL of Kratos' public API for browsers, "
                "such as https://auth.example.com"
            )
        return self

    @model_validator(mode="after")
    def _check_token_cookie_names(self) -> Self:
        if self.token_cookie_names and "cookie" not in self.credentials:
            raise ConfigurationError(
                f"token_cookie_names: {self.token_cookie_names!r} is not allowed without 'cookie' in credentials: "
                f"add 'cookie' to credentials ({self.credentials!r}), or remove token_cookie_names"
            )
        for name in self.token_cookie_names:
            if any(matches_cookie_name(name, pattern) for pattern in self.cookie_names):
                raise ConfigurationError(
                    f"token_cookie_names: {name!r} is a session cookie by cookie_names {self.cookie_names!r}: use "
                    "another name for the cookie with the token, or remove it from one of the two settings"
                )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _convert_validation_error(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            raise ConfigurationError(_format_errors(error)) from None

    @classmethod
    def from_env(cls) -> Self:
        """Return the settings from the environment variables `ORY_GUARD_…`.

        Tuples are comma-separated, and an empty variable is unset.

        Raises:
            ConfigurationError: If a value is invalid, or a variable with the prefix does not belong to a setting.
                Variables that start with `ORY_GUARD_LIVE_` are ignored.
        """
        from pydantic import create_model  # noqa: PLC0415 - slow to import, and only needed here
        from pydantic_settings import BaseSettings, SettingsConfigDict  # noqa: PLC0415 - slow to import

        for variable in os.environ:
            name = variable.upper()
            is_setting = name.removeprefix(ENVIRONMENT_PREFIX).lower() in cls.model_fields
            if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(_LIVE_PREFIX) and not is_setting:
                valid = ", ".join(ENVIRONMENT_PREFIX + field.upper() for field in cls.model_fields)
                raise ConfigurationError(f"unknown setting {variable}; valid settings: {valid}")

        class Environment(BaseSettings):
            model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True)

        fields: dict[str, Any] = dict.fromkeys(cls.model_fields, (str | None, None))
        environment = create_model("Environment", __base__=Environment, **fields)
        return cls.model_validate(environment().model_dump(exclude_none=True))


def matches_cookie_name(name: str, pattern: str) -> bool:
    """Return whether a name is the pattern, or starts with its part before a trailing `*`."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _format_errors(error: ValidationError) -> str:
    texts = []
    for details in error.errors(include_url=False):
        if details["type"] == "default_factory_not_called":
            continue  # a consequence of the error in another field
        field = ".".join(str(part) for part in details["loc"])
        value = "…@… (not shown)" if "@" in str(details["input"]) else repr(details["input"])
        if details["type"] == "missing":
            texts.append(f"{field} is required (set {ENVIRONMENT_PREFIX}{field.upper()})")
        elif details["type"] == "extra_forbidden":
            valid = ", ".join(GuardSettings.model_fields)
            texts.append(f"unknown setting {field}; valid settings: {valid}")
        else:
            texts.append(f"{field}: {value} is not allowed: {details['msg'].removeprefix('Value error, ')}")
    return "; ".join(texts)


def checked_settings(settings: object) -> GuardSettings:
    """Return the settings of a new guard.

    Raises:
        ConfigurationError: If the object is something else, such as a URL.
    """
    if not isinstance(settings, GuardSettings):
        raise ConfigurationError(
            f"settings must be GuardSettings, not {type(settings).__name__}: write OryGuard(GuardSettings(...))"
        )
    return settings
