"""A broker's process locks no mutex of SQLite's for each call, and does not count its memory; without that, SQLite works as it comes."""

import _sqlite3
import subprocess
import sys
from types import SimpleNamespace

import pytest

from osmia_broker.base.errors import StoreFailed
from osmia_broker.running.broker import Broker
from osmia_broker.settings import sources
from osmia_broker.store import sqlite_library

# A process of its own each: the library can be set up only while no connection is open, and then stays as it is.
SEEN = """
import _sqlite3, ctypes, sqlite3
from contextlib import closing
from osmia_broker.store import sqlite_library

library = ctypes.CDLL(_sqlite3.__file__)
library.sqlite3_db_mutex.argtypes, library.sqlite3_db_mutex.restype = [ctypes.c_void_p], ctypes.c_void_p

def seen():
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE one (text TEXT)")
        db.execute("INSERT INTO one VALUES ('kept')")
        handle = ctypes.c_void_p.from_address(id(db) + object.__basicsize__)  # the first field of the connection
        return bool(library.sqlite3_db_mutex(handle)), bool(library.sqlite3_memory_used()), *db.execute("SELECT * FROM one")

"""


def told(program: str) -> str:
    """What *program* prints, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", SEEN + program], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _is_in_a_library():
    if not hasattr(_sqlite3, "__file__"):
        pytest.skip("this Python has SQLite built in, and hides its functions")


def test_a_connection_has_no_mutex_and_its_memory_is_not_counted():
    assert told("print(sqlite_library.set_up(), *seen())") == "True False False ('kept',)"


def test_it_can_be_set_up_after_connections_that_are_closed():
    assert told("print(*seen()); print(sqlite_library.set_up(), *seen())").split("\n") == [
        "True True ('kept',)",
        "True False False ('kept',)",
    ]


@pytest.mark.parametrize(
    "module",
    [SimpleNamespace(), SimpleNamespace(__file__="/no/such/library.so"), SimpleNamespace(__file__=sys.executable)],
    ids=["built in", "cannot be opened", "has other functions"],
)
def test_a_library_without_these_functions_stays_as_it_is(module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sqlite_library, "_sqlite3", module)
    assert not sqlite_library.set_up()


def test_a_library_that_refuses_is_told_but_can_be_used(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def answers(name: str, code: int):
        return lambda *given: calls.append((name, *given)) or code

    functions = {"sqlite3_shutdown": 0, "sqlite3_config": 21, "sqlite3_initialize": 0}
    library = SimpleNamespace(**{name: answers(name, code) for name, code in functions.items()})
    monkeypatch.setattr(sqlite_library.ctypes, "CDLL", lambda _: library)
    assert not sqlite_library.set_up()
    assert calls[-1] == ("sqlite3_initialize",)


async def test_the_process_of_a_broker_sets_it_up_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch):
    steps = []

    async def start(_broker: Broker) -> None:
        steps.append("start")
        raise StoreFailed("the disk is gone")

    monkeypatch.setattr(sqlite_library, "set_up", lambda: steps.append("library"))
    monkeypatch.setattr(Broker, "start", start)
    with pytest.raises(StoreFailed):
        await Broker(sources.load({})).serve()
    assert steps == ["library", "start"]
