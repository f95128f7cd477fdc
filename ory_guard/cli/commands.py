"""The commands and their options; what they do is imported when they run, so that `--help` is quick."""

import logging
from pathlib import Path

import typer

from ory_guard.cli import options
from ory_guard.cli.errors import handle_errors
from ory_guard.cli.output import spinner

__all__ = ["app"]

# What the guard logs, the commands say in sentences of their own.
logging.getLogger("ory_guard").addHandler(logging.NullHandler())

app: typer.Typer = typer.Typer(
    name="ory-guard",
    help="Tools around ory_guard: a Kratos to try things with, and looks at a real one.",
    epilog="Exit codes: 0 all is well; 1 the answer is no; 2 the command line or a setting is wrong; "
    "3 it could not be done.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _every_command(*, version: options.Version = False) -> None:
    """What stands before a command; `--version` is done with when this is called."""


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
    jwks: options.Jwks = None,
    tokenize_as: options.Template = None,
    as_json: options.AsJson = False,
) -> None:
    """Say what is wrong with how Kratos is set up, and how to mend it.

    Every ORY_GUARD_… setting counts. Some things show only with the application's URL, with somebody's session, or
    to the admin API: what is left out is said. Nothing is changed at Kratos; login flows that are begun end by
    themselves.

    Exit codes: 0 no problem was found; 1 there are problems; 2 the command line or a setting is wrong; 3 Kratos
    can't be reached.
    """
    with spinner("Getting ready …"):
        from ory_guard.cli.credential_input import read_credential  # noqa: PLC0415 - see above
        from ory_guard.cli.doctor.command import make_context, run  # noqa: PLC0415 - see above
    context = make_context(
        kratos_url=kratos_url,
        browser_url=browser_url,
        app_url=app_url,
        admin_url=admin_url,
        credential=read_credential(token_file, cookie_file, cookie_jar),
        redis_url=redis_url,
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
    dangerously_listen_on: options.Exposed = None,
) -> None:
    """Serve a fake Kratos for development.

    It answers as a real Kratos does, keeps everything in memory, and listens on 127.0.0.1 only. Its URLs follow its
    port; the pages of the self-service UI are expected on http://127.0.0.1:4455. The codes that it would have sent
    are shown. Needs the extra testing too.

    Exit codes: 0 it was stopped; 2 the command line or a file is wrong; 3 a port is taken.
    """
    with spinner("Getting ready …"):
        from ory_guard.cli.fake import run  # noqa: PLC0415 - see above
    run(port=port, admin_port=admin_port, config=config, seed=seed, exposed=dangerously_listen_on)


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
    """Show what guards each route of an application.

    The application is imported and inspected; no request is made. What can't be looked into, such as a mounted
    application of another framework, counts as open. What the application prints goes to standard error.

    Exit codes: 0 the routes were shown; 1 with --check, a route is open that --public does not name, or --public
    names no open route; 2 the command line is wrong; 3 the application can't be imported.
    """
    with spinner(f"Importing {target} …"):
        from ory_guard.cli.routes import load, run  # noqa: PLC0415 - see above

        application = load(target, factory=factory, folder=app_dir)
    run(application, public=public or [], check=check, as_json=as_json)


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
    """Tell whose session a credential is.

    The credential comes from a file, standard input or the environment, never from the command line, which other
    users of the machine can read. Every ORY_GUARD_… setting counts, such as ORY_GUARD_COOKIE_NAMES.

    Exit codes: 0 somebody is signed in; 1 the credential is no session, or lacks its second factor; 2 the command
    line or a setting is wrong; 3 Kratos can't be asked.
    """
    with spinner("Getting ready …"):
        from ory_guard.cli.credential_input import read_credential  # noqa: PLC0415 - see above
        from ory_guard.cli.whoami import run  # noqa: PLC0415 - see above
    run(kratos_url, read_credential(token_file, cookie_file, cookie_jar), as_json=as_json)
