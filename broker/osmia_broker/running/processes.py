"""Run a broker as several processes: prepare its data directory, reserve its ports, start the processes, and keep them running.

Each process is a `Broker` with a share of the partitions. This one has no part in the work: it takes no calls and holds no data.
"""

import asyncio
import gc
import logging
import os
import secrets
import ssl
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import fields, replace
from functools import partial
from http.client import HTTPConnection, HTTPSConnection
from typing import Any

import msgspec

from osmia_broker.auth.signing import read_or_make_key
from osmia_broker.base import cluster_id, logs, ports, private_files
from osmia_broker.base.errors import StoreFailed
from osmia_broker.base.event_loops import loop_factory
from osmia_broker.base.ports import Ports
from osmia_broker.running.child import status_of
from osmia_broker.running.databases import make_files
from osmia_broker.running.share import Share
from osmia_broker.running.supervisor import Program, Supervisor, bound_to, run_until_signalled
from osmia_broker.settings.config import Settings

PROBE_S = 2.0
LINKS_FILE = "osmia.links-secret"  # the secret of links between the processes, if the settings have none
SHARED = ("grpc", "http")  # the doors that all processes have together, where the system can spread connections

log = logging.getLogger(__name__)


class _Work(msgspec.Struct):
    """The instructions for a process: its settings and its share."""

    settings: dict[str, Any]
    share: Share


async def run(settings: Settings) -> None:
    """Run the broker until SIGTERM or SIGINT.

    Raises:
        StoreFailed: the data directory cannot be used, or another broker uses it.
        OSError: a port cannot be had.
        NotStarted: a process did not start; the text has its last words.
    """
    # The processes write into pipes, and this one passes their lines on: all have the form of one log.
    settings = replace(settings, log_format=logs.form_for(settings.log_format, sys.stderr))
    if settings.database_url:
        settings = _with_secret(settings)
    else:
        await make_files(settings)
        cluster_id.read_or_make(settings.data_dir)
    if settings.auth != "none":
        read_or_make_key(settings.data_dir)
    with ExitStack() as held:
        common = _reserved(settings, held)
        works = [_work_of(common, number) for number in range(1, settings.processes + 1)]
        programs = [_program(one, share) for one, share in works]
        supervisor = Supervisor(programs, grace_s=settings.shutdown_grace.total_seconds())
        ready = asyncio.ensure_future(_say_when_ready(supervisor, *works[0]))
        try:
            await run_until_signalled(supervisor)
        finally:
            ready.cancel()
    log.info("broker stopped")


def _with_secret(settings: Settings) -> Settings:
    """Give the processes a secret for their links, unless they share one with brokers of other machines."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.links_secret:
        return settings
    file = settings.data_dir / LINKS_FILE
    if not file.exists():
        private_files.replace(file, secrets.token_hex(32).encode())
    return replace(settings, links_secret=file.read_text("ascii").strip())


def _reserved(settings: Settings, held: ExitStack) -> Settings:
    """Keep the ports that the processes share, and return the settings with their real numbers."""
    if not ports.SHARED_PORTS:
        return settings
    numbers: dict[str, Any] = {}
    for door in SHARED:
        listening, numbers[f"{door}_port"] = ports.reserve(settings.host_of(door), settings.port_of(door))
        held.enter_context(closing(listening))
    return replace(settings, **numbers)


def _work_of(settings: Settings, number: int) -> tuple[Settings, Share]:
    """Return the instructions for the process *number*. A door that is not shared is at the next port for each process."""
    own = ("management", "links") if ports.SHARED_PORTS else ("management", "links", *SHARED)
    moved: dict[str, Any] = {f"{door}_port": port + number - 1 for door in own if (port := settings.port_of(door))}
    if settings.links_address:
        host, _, port_text = settings.links_address.rpartition(":")
        moved["links_address"] = f"{host}:{int(port_text) + number - 1}"
    by_lease = bool(settings.database_url)
    share = Share(number, settings.processes, shares_ports=ports.SHARED_PORTS, by_lease=by_lease)
    return replace(settings, **moved), share


def _program(settings: Settings, share: Share) -> Program:
    return Program(
        share.process,
        bound_to(os.getpid(), "osmia_broker.running.processes", ()),
        partial(_is_ready, settings, share),
        partial(_is_well, settings, share),
        input=msgspec.json.encode(_Work(_plain(settings), share), enc_hook=str),
    )


def _plain(settings: Settings) -> dict[str, Any]:
    return {one.name: getattr(settings, one.name) for one in fields(settings)}


async def _say_when_ready(supervisor: Supervisor, settings: Settings, share: Share) -> None:
    """Publish the ports, once all processes are ready."""
    await supervisor.ready()
    first = ports.read(share.folder(settings.data_dir))
    assert first is not None, "it is ready"
    Ports(first.grpc, first.http, first.management, os.getpid()).write(settings.data_dir)
    where = {"grpc": first.grpc, "http": first.http, "management": first.management}
    how = {"partitions": settings.partitions, "processes": settings.processes}
    log.info("broker ready", extra={**where, **how, "data_dir": str(settings.data_dir.absolute()), "pid": os.getpid()})


# --- probes


def _is_ready(settings: Settings, share: Share, pid: int) -> bool:
    """Return whether the process *pid* has opened its doors, and leads its partitions."""
    found = ports.read(share.folder(settings.data_dir))
    return (
        found is not None and found.pid == pid and status_of(_connection(settings, found.management), "/ready") == 200
    )


async def _is_well(settings: Settings, share: Share) -> bool:
    """Return whether a process answers at all."""
    found = ports.read(share.folder(settings.data_dir))
    return (
        found is not None
        and await asyncio.to_thread(status_of, _connection(settings, found.management), "/health") == 200
    )


def _connection(settings: Settings, port: int) -> HTTPConnection:
    host = settings.host_of("management").strip("[]")
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - where it listens
    if settings.tls_cert is None:
        return HTTPConnection(host, port, timeout=PROBE_S)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # its process id is known, and nothing is sent
    return HTTPSConnection(host, port, timeout=PROBE_S, context=context)


# --- the process itself


def main() -> None:
    """Run one process of a broker until SIGTERM; what it has to do is at its standard input, since settings may be secrets."""
    gc.disable()  # as `osmia broker` does
    from osmia_broker.running.broker import Broker  # the process that watches the others needs none of it

    work = msgspec.json.decode(sys.stdin.buffer.read(), type=_Work)
    settings = settings_of(work.settings)
    logs.set_up(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        try:
            runner.run(Broker(settings, share=work.share).serve())
        except (StoreFailed, OSError) as error:
            log.debug("the process ended", exc_info=error)
            sys.exit(str(error))


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return settings from what JSON has made of them."""
    hints = {one.name: one for one in fields(Settings)}
    return Settings(**{name: value for name, value in values.items() if name in hints and value is not None})
