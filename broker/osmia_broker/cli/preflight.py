"""Refuse an operator's mistakes before the broker starts, and explain a start that failed.

Each mistake becomes one `Failure` with its own exit code: 2 for a wrong setting, 5 for a second broker on the same data,
1 for a database that cannot be used.
"""

import errno
import fcntl
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from osmia_broker.base import ports
from osmia_broker.base.errors import OtherPartitions
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.running.open_tracing import is_installed
from osmia_broker.settings.config import Settings
from osmia_broker.settings.rules import DOORS
from osmia_broker.state.partitioning import COUNT_FILE

NOTHING: Mapping[str, str] = MappingProxyType({})
NO_DATABASE = re.compile(r'database "([^"]+)" does not exist')  # the words of PostgreSQL
#: The words of SQLite, and of the broker, for a database whose data have gone.
LOST = ("malformed", "file is not a database", "with the data of an earlier start")
RESTORED = "osmia restore BACKUP --data-dir NEW   (or begin anew: osmia broker --data-dir DIR)"
#: Of SQLite's log and its index, of ports and id; a running broker takes far less room to be read.
START_BYTES = 262_144
OTHER_DIR = "osmia broker --data-dir DIR   (another directory)"


def refuse_mistakes(settings: Settings, given: Mapping[str, str] = NOTHING) -> None:
    """Check the ports and the data directory of *settings*; create the directory if it is missing. *given* are the user's own options.

    Raises:
        Failure: USAGE; the text says which setting is wrong, and the advice keeps the other options. CONFLICT; a port is taken, and so
            is the data directory: that is a second broker, whatever its ports.
    """
    taken = {settings.port_of(door) for door in DOORS}
    refused = [one for door in DOORS if (one := _refusal(door, settings.host_of(door), settings.port_of(door), taken))]
    if refused and any(_is_locked(lock) for lock in settings.data_dir.glob("*.lock")):
        raise _second_broker(settings.data_dir)
    if refused:
        raise _together(refused, given)
    prepare_data_dir(settings.data_dir, mend=OTHER_DIR)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A door that cannot listen. *option* and *value* would let it."""

    what: str
    code: str
    option: str
    value: str
    why: str = ""


def _refusal(door: str, host: str, port: int, taken: set[int]) -> _Refusal | None:
    """Return why a door cannot listen; None if it can. What is offered instead is none of *taken*, and is added to them."""
    error = ports.obstacle(host, port)
    if error is None:
        return None
    if error.errno == errno.EADDRINUSE:
        holder = ports.holder(port)
        by = f" (by {holder})" if holder else ""
        return _Refusal(f"Port {port} is in use{by}.", "PORT_IN_USE", f"{door}-port", _offer(host, port, taken))
    if error.errno in (errno.EACCES, errno.EPERM):
        what = f"This user may not listen on port {port}."
        return _Refusal(what, "PORT_NOT_ALLOWED", f"{door}-port", _offer(host, port, taken), in_words(error))
    return _Refusal(f"No door can listen at '{host}'.", "HOST_NOT_HERE", f"{door}-host", "127.0.0.1", in_words(error))


def _offer(host: str, port: int, taken: set[int]) -> str:
    """Return a port near *port* that is free and none of *taken*, and add it to them; 0, which takes any free one, if there is none."""
    first = port + OFFER_STEP if port >= UNPRIVILEGED else UNPRIVILEGED
    near = [*range(first, ports.PORT_MAX, OFFER_STEP)[:OFFERS_TRIED], ports.PORT_MAX]
    offered = next((one for one in near if one not in taken and ports.is_free(host, one)), 0)
    taken.add(offered)
    return str(offered)


def _together(refused: Sequence[_Refusal], given: Mapping[str, str]) -> Failure:
    """Return one failure for all doors that cannot listen. Its advice is the user's command with the options that let them."""
    changed = {one.option: one.value for one in refused}
    options = {name: value for name, value in given.items() if name not in changed} | changed
    words = " ".join(f"--{name} {shlex.quote(value)}" if value else f"--{name}" for name, value in options.items())
    what = " ".join(dict.fromkeys(one.what for one in refused))
    why = next((one.why for one in refused if one.why), "")
    return Failure(Exit.USAGE, what, why=why, mend=f"osmia broker {words}", code=refused[0].code)


OFFER_STEP = 10  # people give their brokers ports some apart
OFFERS_TRIED = 20
UNPRIVILEGED = 1024  # ports below belong to the administrator on most systems


def prepare_data_dir(path: Path, *, mend: str) -> None:
    """Create the directory *path* for its owner alone if it is missing, and check that files can be made in it.

    Raises:
        Failure: USAGE; the text names the obstacle, *mend* is its advice.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return
    except FileExistsError as error:
        raise usage(f"Expected '{path}' to be a directory, but found a file.", mend) from error
    except OSError as error:
        if error.errno in FULL:
            return  # a broker on a full disk can still be read from
        verb = "write in" if path.is_dir() else "create"
        raise usage(f"Expected to {verb} the directory '{path}', but found: {in_words(error)}.", mend) from error


FULL = (errno.ENOSPC, errno.EDQUOT)


def refuse_unusable_access(settings: Settings) -> None:
    """Check the certificate and the users of *settings*.

    Raises:
        Failure: USAGE; the text says what is wrong with them.
    """
    from osmia_broker.auth import users_file
    from osmia_broker.tls import TlsError, TlsFiles

    try:
        if settings.tls_cert is not None and settings.tls_key is not None:
            TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca).load()
        users = users_file.read(settings.users_path) if settings.auth == "basic" else None
    except TlsError as error:
        raise usage(f"{error}.", "--tls-cert FILE --tls-key FILE   (in PEM)") from error
    except users_file.UsersFileError as error:
        raise usage(f"{error}.") from error
    if users == {}:
        where = f" --data-dir {settings.data_dir}" if settings.users_file is None else f" --file {settings.users_file}"
        raise usage(f"Nobody could sign in: '{settings.users_path}' has no users.", f"osmia user add NAME{where}")


def refuse_missing_extras(settings: Settings) -> None:
    """Check that the packages which *settings* ask for are installed.

    Raises:
        Failure: USAGE; the text says which extra is missing.
    """
    if settings.otel_endpoint and not is_installed():
        raise usage(
            "otel_endpoint is set, but OpenTelemetry is not installed.",
            "pip install '.[otel]'   (in a checkout of Osmia)",
        )


def start_failed(error: Exception, settings: Settings) -> Failure:
    """Return the refusal for an error that ended the start of a broker.

    Raises:
        Failure: USAGE; a port was taken since it was checked.
    """
    if any(_is_locked(lock) for lock in settings.data_dir.glob("*.lock")):
        return _second_broker(settings.data_dir)
    refuse_mistakes(settings)
    if not settings.database_url and _is_full(settings.data_dir):
        return _full_disk(settings.data_dir, error)
    if isinstance(error, OSError):
        return Failure(Exit.REFUSED, "The broker cannot start.", why=in_words(error), code="START_FAILED")
    if settings.database_url:
        return _unusable_server(error)
    count = partitions_of(settings.data_dir)
    if count not in (0, settings.partitions):
        what = f"The data directory '{settings.data_dir}' was made with partitions {count}, but partitions is set to {settings.partitions}."
        return Failure(Exit.USAGE, what, mend=f"--partitions {count}", code="PARTITIONS")
    what = f"The database in '{settings.data_dir}' cannot be used."
    mend = RESTORED if any(words in str(error) for words in LOST) else OTHER_DIR
    return Failure(Exit.REFUSED, what, why=str(error), mend=mend, code="DATABASE")


def _is_full(data_dir: Path) -> bool:
    """Return whether the disk has no room for what a start writes. SQLite calls that an I/O error, of a file that others read along with."""
    try:
        return shutil.disk_usage(data_dir).free < START_BYTES
    except OSError:
        return False


def _full_disk(data_dir: Path, error: Exception) -> Failure:
    why = in_words(error) if isinstance(error, OSError) else str(error)
    mend = f"df -h {shlex.quote(str(data_dir))}   (make room there, then start again)"
    return Failure(Exit.REFUSED, f"The disk with '{data_dir}' is full.", why=why, mend=mend, code="DISK_FULL")


def _unusable_server(error: Exception) -> Failure:
    """Return the refusal for a database of PostgreSQL that cannot be used as the settings say."""
    what = "The database that database_url names cannot be used."
    mend = "psql URL   (with the same URL)"
    if isinstance(error, OtherPartitions):
        return Failure(
            Exit.USAGE,
            what,
            why=str(error),
            mend=f"--partitions {error.found}   (with the same URL)",
            code="PARTITIONS",
        )
    if missing := NO_DATABASE.search(str(error)):
        mend = f"createdb --encoding UTF8 {shlex.quote(missing[1])}   (on that server)"
    return Failure(Exit.REFUSED, what, why=str(error), mend=mend, code="DATABASE")


def partitions_of(data_dir: Path) -> int:
    """Return the number of partitions that *data_dir* was made with; 0 if its file cannot be read, or if there is no data."""
    try:
        return int((data_dir / COUNT_FILE).read_text("ascii"))
    except FileNotFoundError:
        return int((data_dir / "partition-1.db").exists())
    except (OSError, ValueError):
        return 0


def starting(data_dir: Path) -> str:
    """Return the command that starts a broker on *data_dir*, with the number of partitions that it was made with."""
    count = partitions_of(data_dir)
    return f"osmia broker --data-dir {shlex.quote(str(data_dir))}" + (f" --partitions {count}" if count > 1 else "")


def _second_broker(data_dir: Path) -> Failure:
    """Return the refusal of a second broker on *data_dir*. The first one wrote its process id beside its ports."""
    written = ports.read(data_dir)
    holder = ports.process(written.pid) if written else ""
    who = f"Another broker ({holder})" if holder else "Another broker"
    return Failure(Exit.CONFLICT, f"{who} uses the data directory '{data_dir}'.", mend=OTHER_DIR, code="DATA_IN_USE")


def _is_locked(lock: Path) -> bool:
    """Return whether a process holds *lock*. Looked at only when this start fails anyway: the look itself would refuse another one."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # it has gone, or belongs to another user
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(descriptor)  # gives the lock back
    return False
