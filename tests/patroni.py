"""A cluster of PostgreSQL under Patroni, with etcd: servers on loopback that agree by themselves on who is the primary.

Debian's packages `patroni` and `etcd-server` have the programs, or a folder of the path.
"""

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from osmia_broker.base.embedded_postgres import NOBODY, free_port
from tests import postgres
from tests.patience import until

PROGRAMS = ("patroni", "patronictl", "etcd")
TTL_S = 20  # the least that Patroni takes
_CONFIG = """
scope: osmia
name: {name}
restapi: {{listen: '127.0.0.1:{api}', connect_address: '127.0.0.1:{api}'}}
etcd3: {{host: '127.0.0.1:{etcd}'}}
bootstrap:
  dcs:
    ttl: {ttl}
    loop_wait: 1
    retry_timeout: 3
    primary_start_timeout: 0
    synchronous_mode: true
    postgresql: {{use_pg_rewind: true, use_slots: true}}
  initdb: [encoding: UTF8, locale: C.UTF-8, data-checksums, no-sync]
postgresql:
  listen: '127.0.0.1:{port}'
  connect_address: '127.0.0.1:{port}'
  data_dir: '{data}'
  bin_dir: '{programs}'
  pgpass: '{folder}/pgpass'
  authentication:
    superuser: {{username: osmia}}
    replication: {{username: osmia}}
    rewind: {{username: osmia}}
  pg_hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust']
  parameters:
    unix_socket_directories: ''
    shared_buffers: 32MB
    wal_log_hints: 'on'
    full_page_writes: 'on'
    wal_retrieve_retry_interval: 200ms
"""


class Member:
    """One server, and the Patroni that looks after it: a machine of the cluster."""

    def __init__(self, cluster: "Patroni", name: str) -> None:
        self.name, self.port, self.api = name, free_port(), free_port()
        self.folder = cluster.folder / name
        self.folder.mkdir()
        self.data = self.folder / "data"
        self.config = self.folder / "patroni.yml"
        values = {"name": name, "api": self.api, "etcd": cluster.etcd_port, "ttl": TTL_S, "port": self.port}
        places = {"data": self.data, "folder": self.folder, "programs": cluster.programs}
        self.config.write_text(_CONFIG.format(**values, **places))
        self._cluster = cluster
        self._patroni: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start Patroni, which starts the server."""
        self._patroni = self._cluster.run_on("patroni", str(self.config), log=self.folder / "log")

    def start_server(self) -> None:
        """Start the server alone, as the primary that it was; on return it can be asked."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        words = ("-D", str(self.data), "-w", "-o", f"-p {self.port}", "start")
        done = self._cluster.run_on(str(self._cluster.programs / "pg_ctl"), *words, log=self.folder / "log").wait()
        assert done == 0, (self.folder / "log").read_text()

    @property
    def status(self) -> dict[str, object]:
        """What Patroni says of the server; nothing while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api}/patroni", timeout=2) as answer:
                found: dict[str, object] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:  # it answers so while it is not well
            return dict(json.load(error))
        except OSError:
            return {}

    @property
    def is_primary(self) -> bool:
        return self.status.get("role") in ("master", "primary") and self.status.get("state") == "running"

    def kill_server(self) -> None:
        """End the server as a crash of it does; Patroni lives."""
        for pid in self._server_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """End server and Patroni, as a machine ends that loses its power."""
        self.stop_patroni()
        self.kill_server()

    def stop_patroni(self) -> None:
        """End Patroni alone, so that nobody looks after the server."""
        if self._patroni is not None:
            self._patroni.kill()
            self._patroni.wait()
            self._patroni = None

    def _server_pids(self) -> list[int]:
        with suppress(OSError, ValueError, IndexError):
            first = int((self.data / "postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
            return [first, *map(int, children)]
        return []

    def sql(self, text: str, database: str = "postgres") -> str:
        """What psql answers to *text*."""
        command = [str(self._cluster.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "osmia"]
        command += ["-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class Patroni:
    """A cluster with an etcd of its own; skips the test if a program is not installed."""

    def __init__(self, members: int = 2) -> None:
        if missing := [one for one in PROGRAMS if shutil.which(one) is None]:
            pytest.skip(f"not installed: {', '.join(missing)}")
        self.programs = postgres.server().folder
        self.folder = Path(tempfile.mkdtemp(prefix="osmia-patroni-"))
        self._user = NOBODY if os.getuid() == 0 else None
        self.folder.chmod(0o755)
        self.etcd_port = free_port()
        peers = f"http://127.0.0.1:{free_port()}"
        at = f"http://127.0.0.1:{self.etcd_port}"
        self.members = [Member(self, f"m{number}") for number in range(1, members + 1)]
        if self._user is not None:
            for one in (self.folder, *self.folder.rglob("*")):
                shutil.chown(one, self._user)
        options = {
            "--data-dir": str(self.folder / "etcd"),
            "--listen-client-urls": at,
            "--advertise-client-urls": at,
            "--listen-peer-urls": peers,
            "--initial-advertise-peer-urls": peers,
            "--initial-cluster": f"default={peers}",
        }
        self._etcd = self.run_on(
            "etcd", *(word for pair in options.items() for word in pair), log=self.folder / "etcd.log"
        )
        atexit.register(self.stop)

    def start(self) -> None:
        """Start all; on return there is a primary, and a standby for which each commit waits."""
        self.members[0].start()
        self.until(lambda: self.members[0].is_primary)
        for one in self.members[1:]:
            one.start()
        self.until_synchronous()

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        logs = [one.folder / "log" for one in self.members]
        until(holds, lambda: "\n".join(log.read_text()[-3000:] for log in logs if log.exists()))

    def until_synchronous(self) -> None:
        """Wait until each commit of the primary waits for a standby."""
        self.until(lambda: any("sync_standby" in one.status for one in self.members))

    @property
    def primary(self) -> Member:
        """The member that is the primary; waits until there is one."""
        self.until(lambda: any(one.is_primary for one in self.members))
        return next(one for one in self.members if one.is_primary)

    @property
    def standby(self) -> Member:
        primary = self.primary
        return next(one for one in self.members if one is not primary)

    def switch_over(self) -> None:
        """Do by hand what a person does before a machine is taken away."""
        primary, standby = self.primary, self.standby
        words = ("switchover", "osmia", "--master", primary.name, "--candidate", standby.name, "--force")
        command = ["patronictl", "-c", str(primary.config), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, user=self._user, cwd=self.folder)
        assert "Successfully switched over" in done.stdout, done.stdout + done.stderr
        self.until(lambda: standby.is_primary)

    def url(self, database: str, parameters: str = "") -> str:
        """The URL of a database that names all servers, in the order of the members."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.members)
        return f"postgresql://osmia@{hosts}/{database}{parameters}"

    def run_on(self, program: str, *words: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start a program as the user who may run servers."""
        with log.open("ab") as file:
            return subprocess.Popen(
                [program, *words], user=self._user, cwd=self.folder, stdout=file, stderr=file, stdin=subprocess.DEVNULL
            )

    def stop(self) -> None:
        """End all, and remove the files. Safe to call twice."""
        for one in self.members:
            one.kill()
        self._etcd.kill()
        self._etcd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)
