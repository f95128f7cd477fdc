"""The commands and their options.

Each command imports its implementation when it runs, so that `--help` is fast.
"""

import logging
from pathlib import Path

import typer

from ory_guard.cli import options
from ory_guard.cli.errors import handle_errors
from ory_guard.cli.output import spinner

__all__ = ["app"]

# The commands print their own messages instead of the log of the guard.
logging.getLogger("ory_guard").addHandler(logging.NullHandler())

app: typer.Typer = typer.Typer(
    name="ory-guard",
    help="Command-line tools for ory_guard and Ory Kratos.",
    epilog="Exit codes: 0 success; 1 check failed; 2 usage or configuration error; 3 operation failed.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _global_options(*, version: options.Version = False) -> None:
    """Accept the options before a command; the callback of `--version` has run before this is called."""


@app.command()
@handle_errors()
def doctor(
    *,
    kratos_url: options.KratosUrl = options.DEFAULT_KRATOS_URL,
    browser_url: options.BrowserUrl = None,
    app_url: options.AppUrl = None,
    admin_url: options.AdminUrl = None,
    token_file: options.TokenFile = None,
    cookie_file: options.CookieFile = None,
    cookie_jar: options.CookieJarFile = None,
    redis_url: options.RedisUrl = None,
    redis_prefix: options.RedisPrefix = "ory_guard",
    jwks: options.Jwks = None,
    tokenize_as: options.Template = None,
    as_json: options.AsJson = False,
) -> None:
    """Diagnose common Kratos configuration problems.

    All ORY_GUARD_… settings apply. Some checks need the application's URL, a session or the admin API; without
    them they are reported as skipped. Kratos is not changed, except that login flows are created, which expire.

    Exit codes: 0 no problem found; 1 problems found; 2 usage or configuration error; 3 Kratos is unreachable.
    """
    with spinner("Loading …"):
        from ory_guard.cli.credential_input import read_credential
        from ory_guard.cli.doctor.command import make_context, run
    context = make_context(
        kratos_url=kratos_url,
        browser_url=browser_url,
        app_url=app_url,
        admin_url=admin_url,
        credential=read_credential(token_file, cookie_file, cookie_jar),
        redis_url=redis_url,
        redis_prefix=redis_prefix,
        jwks=jwks,
        template=tokenize_as,
    )
    run(context, as_json=as_json)


@app.command()
@handle_errors()
def fake(
    *,
    port: options.Port = 4433,
    admin_port: options.AdminPort = 4434,
    config: options.Config = None,
    seed: options.Seed = None,
    app_url: options.ReturnUrl = None,
    ui_url: options.UiUrl = None,
    dangerously_listen_on: options.Exposed = None,
) -> None:
    """Serve a fake Kratos for development.

    The fake behaves like a real Kratos, keeps all data in memory, and listens on 127.0.0.1 only. Its URLs contain
    its port. With --app-url it also serves login pages; otherwise they are expected at --ui-url, by default
    http://127.0.0.1:4455. The codes and links of emails are printed. Requires the extras testing and ui, too.

    Exit codes: 0 stopped; 2 usage or configuration error; 3 a port is in use.
    """
    with spinner("Loading …"):
        from ory_guard.cli.fake import run
    run(
        port=port,
        admin_port=admin_port,
        config=config,
        seed=seed,
        app_url=app_url,
        ui_url=ui_url,
        exposed=dangerously_listen_on,
    )


@app.command()
@handle_errors()
def routes(
    target: options.Target,
    *,
    factory: options.Factory = False,
    app_dir: options.AppDir = Path(),
    public: options.Public = None,
    check: options.Check = False,
    as_json: options.AsJson = False,
) -> None:
    """List the routes of an application and their guards.

    The application is imported and inspected; no request is made. Routes that can't be inspected, such as a mounted
    application of another framework, are reported as open. Output of the application goes to standard error.

    Exit codes: 0 success; 1 with --check, an open route is not named by --public, or a --public name does not match
    an open route; 2 usage error; 3 the application can't be imported.
    """
    with spinner(f"Importing {target} …"):
        from ory_guard.cli.routes import load, run

        application = load(target, factory=factory, folder=app_dir)
    run(application, public=public or [], check=check, as_json=as_json)


@app.command()
@handle_errors()
def serve(*, config: options.ServeConfig, check: options.CheckConfig = False) -> None:
    """Check the sessions of requests for a reverse proxy (forward auth).

    For auth_request of nginx, ForwardAuth of Traefik, forward_auth of Caddy and ext_authz of Envoy. It listens on a
    Unix socket, or on a TCP address with a shared secret. ORY_GUARD_… variables are not read.

    Exit codes: 0 stopped, or with --check, the configuration is valid; 2 usage or configuration error; 3 the
    address is in use.
    """
    from ory_guard.cli.serve import run

    run(config, check=check)


@app.command()
@handle_errors()
def whoami(
    *,
    kratos_url: options.KratosUrl = options.DEFAULT_KRATOS_URL,
    token_file: options.TokenFile = None,
    cookie_file: options.CookieFile = None,
    cookie_jar: options.CookieJarFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show the session of a credential.

    The credential is read from a file, standard input or the environment, never from the command line, which other
    users of the machine can read. All ORY_GUARD_… settings apply, such as ORY_GUARD_COOKIE_NAMES.

    Exit codes: 0 the session is active; 1 the credential has no session, or lacks its second factor; 2
    usage or configuration error; 3 Kratos is unavailable.
    """
    with spinner("Loading …"):
        from ory_guard.cli.credential_input import read_credential
        from ory_guard.cli.whoami import run
    run(kratos_url, read_credential(token_file, cookie_file, cookie_jar), as_json=as_json)
