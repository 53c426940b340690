"""`osmia broker`: run the broker in the foreground until SIGTERM or Ctrl-C."""

import inspect
from collections.abc import Callable
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from osmia_broker.cli import foreground
from osmia_broker.cli.commands.config import typed
from osmia_broker.settings import config

app = typer.Typer(add_completion=False)

# The form of an option's value; any text for the others.
FORMS = {
    "data_dir": "DIR",
    "database_url": "URL",
    "database_url_file": "FILE",
    "partitions": "NUMBER",
    "processes": "NUMBER",
    "grpc_port": "PORT",
    "http_port": "PORT",
    "management_port": "PORT",
    "advertised_address": "HOST:PORT",
    "public_url": "URL",
    "max_message_size": "SIZE",
    "memory_limit": "SIZE",
    "queue_limit": "NUMBER",
    "batch_limit": "NUMBER",
    "step_limit": "NUMBER",
    "expression_timeout": "DURATION",
    "event_retention": "DURATION",
    "event_limit": "NUMBER",
    "history_retention": "DURATION",
    "otel_endpoint": "URL",
    "shutdown_grace": "DURATION",
    "tls_cert": "FILE",
    "tls_key": "FILE",
    "tls_client_ca": "FILE",
    "users_file": "FILE",
    "oidc_issuer": "URL",
    "oidc_client_secret_file": "FILE",
    "links_secret_file": "FILE",
    "links_port": "PORT",
    "links_address": "HOST:PORT",
    "links_cert": "FILE",
    "links_key": "FILE",
    "links_ca": "FILE",
}


def _parameter(name: str) -> Parameter:
    """Return the option of the setting *name*, with its help text and its default in the form that a person would type."""
    default = config.GIVEN[name].default
    if name in foreground.SWITCHES:
        kind: Any = Annotated[bool | None, typer.Option("--" + name.replace("_", "-"), help=config.about(name))]
    else:
        shown, form = "" if default is None else str(typed(name, default)), FORMS.get(name, "TEXT")
        kind = Annotated[str | None, typer.Option(help=config.about(name), show_default=shown or False, metavar=form)]
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind, default=None)


def _with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Add an option for each setting that has one to *function*, in front of its own."""
    signature = inspect.signature(function)
    own = [
        one.replace(kind=Parameter.KEYWORD_ONLY)
        for one in signature.parameters.values()
        if one.kind is not Parameter.VAR_KEYWORD
    ]
    options = [_parameter(name) for name in foreground.OPTIONS.values()]
    function.__signature__ = signature.replace(parameters=[*options, *own])  # type: ignore[attr-defined]  # read by Typer
    return function


@app.command()
@_with_settings
def broker(
    config_file: Annotated[
        Path | None, typer.Option(f"--{foreground.FILE}", metavar="FILE", help="Settings as TOML.")
    ] = None,
    **flags: str | bool | None,
) -> None:
    """Run the broker in the foreground; SIGTERM ends it cleanly.

    Every option is also a variable (OSMIA_GRPC_PORT) and a name in osmia.toml (grpc_port).

    Example: osmia broker --data-dir /var/lib/osmia --grpc-port 26500
    """
    given = {foreground.FILE: str(config_file) if config_file else None, **flags}
    foreground.run({name: value for name, value in given.items() if value is not None})
