"""`osmia broker`: the broker as a process in the foreground, until SIGTERM or Ctrl-C."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker import config, logs, ports
from osmia_broker.cli.failures import Exit, Failure

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

app = typer.Typer(add_completion=False)


def _about(name: str) -> Any:
    return typer.Option(help=config.about(name), show_default=False, metavar=_default(name))


def _default(name: str) -> str | None:
    value = config.NAMES[name].default
    return {"data_dir": "PATH", "insecure": None}.get(name, "TEXT") if value in ("", None) else str(value)


@app.command()
def broker(
    data_dir: Annotated[str | None, _about("data_dir")] = None,
    grpc_port: Annotated[str | None, _about("grpc_port")] = None,
    http_port: Annotated[str | None, _about("http_port")] = None,
    management_port: Annotated[str | None, _about("management_port")] = None,
    host: Annotated[str | None, _about("host")] = None,
    grpc_host: Annotated[str | None, _about("grpc_host")] = None,
    http_host: Annotated[str | None, _about("http_host")] = None,
    management_host: Annotated[str | None, _about("management_host")] = None,
    advertised_address: Annotated[str | None, _about("advertised_address")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help=config.about("insecure"))] = None,
    max_message_size: Annotated[str | None, _about("max_message_size")] = None,
    queue_limit: Annotated[str | None, _about("queue_limit")] = None,
    shutdown_grace: Annotated[str | None, _about("shutdown_grace")] = None,
    log_level: Annotated[str | None, _about("log_level")] = None,
    log_format: Annotated[str | None, _about("log_format")] = None,
    config_file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings as TOML.")] = None,
) -> None:
    """Run the broker in the foreground; SIGTERM ends it cleanly.

    Every option is also a variable (OSMIA_GRPC_PORT) and a name in osmia.toml (grpc_port).

    Example: osmia broker --data-dir /var/lib/osmia --grpc-port 26500
    """
    flags = {name: value for name, value in locals().items() if name in config.NAMES}
    try:
        settings = config.load(flags, file=config_file)
    except config.ConfigError as error:
        raise Failure(Exit.USAGE, f"{error}.", mend=error.hint, code="USAGE") from error
    refuse_taken_ports(settings)
    logs.set_up(settings.log_level, settings.log_format)
    _serve(settings)


def refuse_taken_ports(settings: config.Settings) -> None:
    """Look before the doors open, so that the refusal can name who is there.

    Raises:
        Failure: USAGE; a port that was asked for is in use.
    """
    for door, port in (
        ("grpc", settings.grpc_port),
        ("http", settings.http_port),
        ("management", settings.management_port),
    ):
        if port and not ports.is_free(settings.host_of(door), port):
            holder = ports.holder(port)
            by = f" (by {holder})" if holder else ""
            mend = f"osmia broker --{door}-port {min(port + 10, 65535)}"
            raise Failure(Exit.USAGE, f"Port {port} is in use{by}.", mend=mend, code="PORT_IN_USE")


def _serve(settings: config.Settings) -> None:
    """Import the broker now, and run it on the quickest event loop there is."""
    import asyncio

    from osmia_broker.broker import Broker

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(Broker(settings).serve())


def _loop_factory() -> "Callable[[], AbstractEventLoop] | None":
    """Uvloop where there is one; `None` is asyncio's own."""
    try:
        import uvloop
    except ModuleNotFoundError:  # not made for this system
        return None
    return uvloop.new_event_loop
