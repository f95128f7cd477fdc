"""How the guard is set up: checked once, when it is made, so that a wrong value never waits for a request."""

import os
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final, Literal, Self

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
from ory_guard.kratos.urls import exact_origin, page_url, service_url

__all__ = ["ENVIRONMENT_PREFIX", "GuardSettings", "checked_settings"]

ENVIRONMENT_PREFIX: Final = "ORY_GUARD_"
_LIVE_PREFIX: Final = "ORY_GUARD_LIVE_"
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _cookie_name(name: str) -> str:
    bare = name.removesuffix("*")
    if not bare or not set(bare) <= _TOKEN - {"*"}:
        raise ValueError("must be a cookie name, with nothing but a trailing * as wildcard")
    return name


def _exact_path(path: str) -> str:
    if not path.startswith("/") or "?" in path or "#" in path or "*" in path:
        raise ValueError("must be one exact decoded path that starts with /")
    return path


def _one_or_more(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _each(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda values: tuple(check(value) for value in values))


Strings: Final = BeforeValidator(_one_or_more)


class GuardSettings(BaseModel):
    """Everything that can be set, frozen and checked; times are in seconds, sizes in bytes.

    Args:
        kratos_public_url: Kratos' public API as this service reaches it.
        kratos_browser_url: The same as browsers reach it; `kratos_public_url` unless given.
        app_url: The application's public origin with its path prefix; required when `cookie` is among
            `credentials`. Every `return_to` is built from it, never from a request's `Host`.
        login_url: Where browsers are sent to sign in, with parameters if need be; None stands for Kratos'
            own `/self-service/login/browser`.
        whoami_required_aal: What `session.whoami.required_aal` of the Kratos server is set to.
        credentials: Which kinds are accepted. A choice, not an order: the order is always Kratos'.
        cookie_names: Names of the session cookie; a trailing `*` matches any rest (`ory_session_*`).
        cache_ttl: How long a session may be served without asking; 0 asks every time.
        negative_ttl: How long a refused credential, or one that lacks a second factor, is remembered.
        disconnected_ttl: How long a session may be served without asking while revocations of other processes can't
            be heard, since the shared store is away; 0 asks every time. Without a store it has no effect.
        max_sessions: The maximum number of cached sessions; refusals have the same limit.
        timeout: The total deadline of one check, retries and waiting included.
        max_response_bytes: The largest answer of Kratos that is read.
        max_credential_bytes: The largest credential that is sent.
        max_upstream_concurrency: How many checks may be under way at once.
        clock_skew: How far Kratos' clock and ours may differ.
        trusted_origins: Origins, besides that of `app_url`, whose pages may send unsafe requests and open
            websockets with a cookie.
        exempt_paths: Exact decoded paths where the middleware asks nothing.
        keep_alive: Whether connections to Kratos are used again.

    Raises:
        ConfigurationError: A value is wrong; the text names the field, the value and what is allowed.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kratos_public_url: Annotated[str, AfterValidator(service_url)]
    kratos_browser_url: Annotated[str, AfterValidator(service_url)] = Field(
        default_factory=lambda values: str(values.get("kratos_public_url"))
    )
    app_url: Annotated[str, AfterValidator(service_url)] | None = None
    login_url: Annotated[str, AfterValidator(page_url)] | None = None
    whoami_required_aal: Literal["highest_available", "aal1"] = "highest_available"
    credentials: Annotated[
        tuple[Literal["x_session_token", "cookie", "bearer"], ...], Strings, Field(min_length=1)
    ] = ("x_session_token", "cookie", "bearer")
    cookie_names: Annotated[tuple[str, ...], Strings, Field(min_length=1), _each(_cookie_name)] = (
        "ory_kratos_session",
    )
    cache_ttl: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 30.0
    negative_ttl: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 5.0
    disconnected_ttl: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 5.0
    max_sessions: Annotated[int, Field(ge=1)] = 10_000
    timeout: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 2.0
    max_response_bytes: Annotated[int, Field(ge=1_024)] = 262_144
    max_credential_bytes: Annotated[int, Field(ge=64)] = 8_192
    max_upstream_concurrency: Annotated[int, Field(ge=1)] = 64
    clock_skew: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 60.0
    trusted_origins: Annotated[tuple[str, ...], Strings, _each(exact_origin)] = ()
    exempt_paths: Annotated[tuple[str, ...], Strings, _each(_exact_path)] = ()
    keep_alive: bool = True

    @model_validator(mode="after")
    def _cookies_need_the_apps_own_url(self) -> Self:
        if "cookie" in self.credentials and self.app_url is None:
            raise ConfigurationError(
                "app_url is not set: with 'cookie' among credentials it must be the application's public "
                "URL, such as https://app.example.com (or leave 'cookie' out of credentials)"
            )
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _say_what_is_wrong(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error)) from None

    @classmethod
    def from_env(cls) -> Self:
        """Read the settings from `ORY_GUARD_…` variables; tuples are comma-separated, empty means unset.

        Raises:
            ConfigurationError: A value is wrong, or a variable with the prefix names no setting (those that
                start with `ORY_GUARD_LIVE_` are left alone).
        """
        from pydantic import create_model  # noqa: PLC0415 - costs start-up time, and only this way in needs it
        from pydantic_settings import BaseSettings, SettingsConfigDict  # noqa: PLC0415 - as above

        for variable in os.environ:
            name = variable.upper()
            known = name.removeprefix(ENVIRONMENT_PREFIX).lower() in cls.model_fields
            if name.startswith(ENVIRONMENT_PREFIX) and not name.startswith(_LIVE_PREFIX) and not known:
                allowed = ", ".join(ENVIRONMENT_PREFIX + field.upper() for field in cls.model_fields)
                raise ConfigurationError(f"{variable} names no setting; allowed are {allowed}")

        class Environment(BaseSettings):
            model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True)

        fields: dict[str, Any] = dict.fromkeys(cls.model_fields, (str | None, None))
        environment = create_model("Environment", __base__=Environment, **fields)
        return cls.model_validate(environment().model_dump(exclude_none=True))


def _explain(error: ValidationError) -> str:
    sentences = []
    for fault in error.errors(include_url=False):
        if fault["type"] == "default_factory_not_called":
            continue  # it says no more than the fault of the field that it follows
        field = ".".join(str(part) for part in fault["loc"])
        value = "…@… (not shown)" if "@" in str(fault["input"]) else repr(fault["input"])
        if fault["type"] == "missing":
            variable = ENVIRONMENT_PREFIX + field.upper()
            sentences.append(f"{field} is required and was not given (in the environment: {variable})")
        elif fault["type"] == "extra_forbidden":
            allowed = ", ".join(GuardSettings.model_fields)
            sentences.append(f"{field} names no setting; allowed are {allowed}")
        else:
            sentences.append(f"{field}: {value} is not allowed: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(sentences)


def checked_settings(settings: object) -> GuardSettings:
    """Return the settings that were given to a guard.

    Raises:
        ConfigurationError: If the object is something else, such as a URL.
    """
    if not isinstance(settings, GuardSettings):
        raise ConfigurationError("settings must be GuardSettings: write OryGuard(GuardSettings(...))")
    return settings
