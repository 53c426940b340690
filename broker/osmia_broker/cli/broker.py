"""`osmia broker`: run the broker in the foreground until SIGTERM or Ctrl-C."""

import gc
import logging
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker import config, logs
from osmia_broker.cli import preflight
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.session import spelt

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = typer.Typer(add_completion=False)
log = logging.getLogger(__name__)

FORMS = {
    "data_dir": "DIR",
    "database_url": "URL",
    "partitions": "NUMBER",
    "processes": "NUMBER",
    "grpc_port": "PORT",
    "http_port": "PORT",
    "management_port": "PORT",
    "advertised_address": "HOST:PORT",
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
}  # the form of an option's value; any text for the others
MIB = 1024**2


def _option(name: str) -> Any:
    """Return the option of the setting *name*, with its help text and its default in the form that a person would type."""
    default = config.NAMES[name].default
    return typer.Option(
        help=config.about(name),
        show_default=_typed(name, default) or False,
        metavar=FORMS.get(name, "TEXT"),
    )


def _typed(name: str, default: Any) -> str:
    if isinstance(default, timedelta):
        return spelt(default)
    if FORMS.get(name) == "SIZE":
        return f"{default // MIB}MiB"
    return "" if default is None else str(default)


@app.command()
def broker(
    data_dir: Annotated[str | None, _option("data_dir")] = None,
    database_url: Annotated[str | None, _option("database_url")] = None,
    partitions: Annotated[str | None, _option("partitions")] = None,
    processes: Annotated[str | None, _option("processes")] = None,
    grpc_port: Annotated[str | None, _option("grpc_port")] = None,
    http_port: Annotated[str | None, _option("http_port")] = None,
    management_port: Annotated[str | None, _option("management_port")] = None,
    host: Annotated[str | None, _option("host")] = None,
    grpc_host: Annotated[str | None, _option("grpc_host")] = None,
    http_host: Annotated[str | None, _option("http_host")] = None,
    management_host: Annotated[str | None, _option("management_host")] = None,
    advertised_address: Annotated[str | None, _option("advertised_address")] = None,
    gateway_version: Annotated[str | None, _option("gateway_version")] = None,
    insecure: Annotated[bool | None, typer.Option("--insecure", help=config.about("insecure"))] = None,
    tls_cert: Annotated[str | None, _option("tls_cert")] = None,
    tls_key: Annotated[str | None, _option("tls_key")] = None,
    tls_client_ca: Annotated[str | None, _option("tls_client_ca")] = None,
    auth: Annotated[str | None, _option("auth")] = None,
    users_file: Annotated[str | None, _option("users_file")] = None,
    oidc_issuer: Annotated[str | None, _option("oidc_issuer")] = None,
    oidc_audience: Annotated[str | None, _option("oidc_audience")] = None,
    oidc_client_id: Annotated[str | None, _option("oidc_client_id")] = None,
    oidc_client_secret_file: Annotated[str | None, _option("oidc_client_secret_file")] = None,
    oidc_username_claim: Annotated[str | None, _option("oidc_username_claim")] = None,
    oidc_groups_claim: Annotated[str | None, _option("oidc_groups_claim")] = None,
    max_message_size: Annotated[str | None, _option("max_message_size")] = None,
    memory_limit: Annotated[str | None, _option("memory_limit")] = None,
    unique_business_ids: Annotated[
        bool | None, typer.Option("--unique-business-ids", help=config.about("unique_business_ids"))
    ] = None,
    grpc_server: Annotated[str | None, _option("grpc_server")] = None,
    queue_limit: Annotated[str | None, _option("queue_limit")] = None,
    batch_limit: Annotated[str | None, _option("batch_limit")] = None,
    step_limit: Annotated[str | None, _option("step_limit")] = None,
    expression_timeout: Annotated[str | None, _option("expression_timeout")] = None,
    shutdown_grace: Annotated[str | None, _option("shutdown_grace")] = None,
    otel_endpoint: Annotated[str | None, _option("otel_endpoint")] = None,
    task_policy: Annotated[str | None, _option("task_policy")] = None,
    event_log: Annotated[str | None, _option("event_log")] = None,
    event_retention: Annotated[str | None, _option("event_retention")] = None,
    event_limit: Annotated[str | None, _option("event_limit")] = None,
    history_retention: Annotated[str | None, _option("history_retention")] = None,
    log_level: Annotated[str | None, _option("log_level")] = None,
    log_format: Annotated[str | None, _option("log_format")] = None,
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
    given = {name.replace("_", "-"): value for name, value in flags.items() if value is not None}
    given = {name: "" if value is True else str(value) for name, value in given.items()}
    preflight.refuse_mistakes(settings, {**({"config": str(config_file)} if config_file else {}), **given})
    preflight.refuse_unusable_access(settings)
    preflight.refuse_missing_extras(settings)
    logs.set_up(settings.log_level, settings.log_format)
    _warn(settings)
    _serve(settings)


def _warn(settings: config.Settings) -> None:
    """Log what is allowed and yet may be a mistake."""
    if strangers := config.passed_over():
        log.info("variables that are no settings are passed over", extra={"variables": ", ".join(strangers)})
    if public := settings.unsafe_doors():
        log.warning("other machines reach doors without TLS and sign-in", extra={"doors": ", ".join(public)})
    if settings.memory_limit < MIB:
        log.warning(
            "the memory limit is below 1 MiB: a number without a unit is bytes",
            extra={
                "memory_limit": f"{settings.memory_limit} bytes",
                "try": f"--memory-limit {settings.memory_limit}MiB",
            },
        )


def _serve(settings: config.Settings) -> None:
    """Import the broker, and run it on the quickest event loop of this system.

    Raises:
        Failure: the broker could not start.
    """
    import asyncio

    from osmia_broker.child import NotStarted
    from osmia_broker.errors import StoreFailed
    from osmia_broker.event_loops import loop_factory

    with asyncio.Runner(loop_factory=loop_factory() if settings.processes == 1 else None) as runner:
        try:
            runner.run(_running(settings))
        except NotStarted as failure:
            raise Failure(Exit.REFUSED, "The broker cannot start.", why=str(failure), code="START_FAILED") from failure
        except (StoreFailed, OSError) as error:
            log.debug("the broker ended", exc_info=error)
            raise preflight.start_failed(error, settings) from error


def _running(settings: config.Settings) -> "Coroutine[None, None, None]":
    """Return the broker at work: in this process, or in several that this one starts."""
    if settings.processes > 1:
        from osmia_broker import processes

        return processes.run(settings)
    gc.disable()  # until the broker serves: to look for garbage among what is imported takes a quarter of the start, and finds none
    from osmia_broker.broker import Broker

    return Broker(settings).serve()
