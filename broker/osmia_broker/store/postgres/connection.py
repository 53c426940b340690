"""Connections to the server: how they are made, and the meaning of their errors.

A commit has one of three outcomes: it succeeded, it was refused, or nobody knows. The last is the case when the connection breaks before
the answer, and also when the server says that a commit stopped waiting for its standby: it may be gone after a failover. A commit is never
cancelled, because the server would then report success for a commit that no standby has. A connection that gives no answer is shut down.

The settings of a connection are set in its first statement, for poolers refuse most of them in the greeting.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from osmia_broker.base.addresses import without_password
from osmia_broker.base.errors import StoreFailed
from osmia_broker.base.system_errors import in_words
from osmia_broker.store.postgres import pooler
from osmia_broker.store.postgres.patience import Patience
from osmia_broker.store.postgres.schemas import quoted, schema_of

if TYPE_CHECKING:
    import asyncpg

CONNECT_S = 10.0  # a server that takes longer is tried again
OTHERS_S = 1.0  # how long one that answers waits for the other hosts, which may be newer
ANSWER_S = 5.0  # without an answer for so long, a connection counts as broken; a long commit takes 0.1 s
START_S = 120.0  # the same for what happens once: making the tables, reading all that a start needs
SETTINGS = {
    "application_name": "osmia",
    "plan_cache_mode": "force_generic_plan",  # a load of one instance costs 0.19 ms instead of 0.45
    "jit": "off",  # a server that can compile would spend 0.7 s on each opening
    "enable_seqscan": "off",  # a table of one page is read as a whole, and so it is still when it has grown: a plan is kept
    "lock_timeout": "4s",  # shorter than ANSWER_S, so that waiting for a row that somebody has locked is refused and not unknown
    "idle_in_transaction_session_timeout": "30s",
}


_OF_SERVER = (
    " current_setting('transaction_read_only') AS read_only, current_setting('synchronous_commit') AS durable,"
    " current_setting('server_encoding') AS encoding, current_schema() AS schema, pg_backend_pid() AS pid,"
    " CASE WHEN pg_is_in_recovery() THEN 0"
    " ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint END AS timeline"
)
_UNKNOWN = ("08", "57P01", "57P02", "57P03", "40003")
_AGAIN = ("40001", "40P01")
_REFUSED_VALUES = ("22", "23502", "54")
_NO_STANDBY = "canceling wait for synchronous replication"


class Outcome(Enum):
    """The meaning of an error for the statement that met it."""

    UNKNOWN = "unknown"  # it may have been carried out
    AGAIN = "again"  # it was not; the same statement may succeed at once
    READ_ONLY = "read-only"  # it was not; the server is a standby
    FULL = "full"  # it was not; the disk is full
    VALUE = "value"  # it was not; a value is the reason
    FAILED = "failed"  # it was not


def outcome_of(error: BaseException) -> Outcome:
    """Return what *error* means for the statement that met it."""
    if isinstance(error, (TypeError, ValueError, OverflowError)) and not hasattr(error, "sqlstate"):
        return Outcome.VALUE  # the statement was never sent
    code = str(getattr(error, "sqlstate", None) or "08000")
    for codes, outcome in (
        (_UNKNOWN, Outcome.UNKNOWN),
        (_AGAIN, Outcome.AGAIN),
        (("25006",), Outcome.READ_ONLY),
        (("53100",), Outcome.FULL),
        (_REFUSED_VALUES, Outcome.VALUE),
    ):
        if code.startswith(codes):
            return outcome
    return Outcome.FAILED


class Connection:
    """One connection to the server at *url* that can write. *after_commit* is called with the time at which a fenced commit was sent."""

    def __init__(self, driver: "asyncpg.Connection", timeline: int, answer_s: float) -> None:
        self._driver = driver
        self._answer_s = answer_s
        self.timeline = timeline
        self._is_unsure = False
        driver.add_log_listener(self._notice)

    def _notice(self, _driver: Any, message: Any) -> None:
        if _NO_STANDBY in str(getattr(message, "message", "")):
            self._is_unsure = True

    @property
    def is_open(self) -> bool:
        """Whether statements can be sent."""
        return not self._driver.is_closed()

    async def row(self, text: str, *values: Any) -> Any:
        """Run a statement and return its first row. Its text is prepared once.

        Raises:
            Exception: see `outcome_of`. A connection that gives no answer in time is shut down, and nothing is cancelled.

        """
        return await self._answered(self._answer_s, self._driver.fetchrow, text, *values)

    async def slow_row(self, text: str, *values: Any) -> Any:
        """Run a statement of a start, which may take long. Raises as `row`."""
        return await self._answered(START_S, self._driver.fetchrow, text, *values)

    async def run(self, text: str) -> None:
        """Run statements that give no rows, in one transaction if they do not begin one. They may take long. Raises as `row`."""
        await self._answered(START_S, self._driver.execute, text)

    async def _answered(self, answer_s: float, call: Callable[..., Any], text: str, *values: Any) -> Any:
        self._is_unsure = False
        with Patience(self._driver, answer_s):
            answer = await call(text, *values)
        if self._is_unsure:
            raise ConnectionError(f"a commit that was not confirmed: {_NO_STANDBY}")
        return answer

    async def pairs(self, text: str, take: Callable[[list[Any]], None], *, at_once: int = 10_000) -> None:
        """Run a statement that may give millions of rows, and hand them to *take* in portions. Each may take long. Raises as `row`."""
        with Patience(self._driver, START_S) as patience:
            async with self._driver.transaction(readonly=True):
                cursor = await self._driver.cursor(text)
                while found := await cursor.fetch(at_once):
                    take(found)
                    patience.answered()

    def transaction(self) -> Any:
        """Return a context in which statements are one transaction."""
        return self._driver.transaction()

    async def close(self) -> None:
        """Take leave of the server, or drop the connection if it does not answer."""
        try:
            await self._driver.close(timeout=1)
        except Exception:  # noqa: BLE001 - it is of no more use, whatever is wrong with it
            self._driver.terminate()

    def drop(self) -> None:
        """Shut the connection down without a word."""
        self._driver.terminate()


@dataclass(frozen=True, slots=True)
class Reached:
    """A host that can be written: a new connection to it, and what it says of itself in a *row*."""

    url: str
    connection: "asyncpg.Connection"
    row: Any


class Server:
    """The server, or the pair of servers, at *url*; makes connections to whichever of them can write."""

    def __init__(self, url: str, *, answer_s: float = ANSWER_S) -> None:
        self.url = url
        self._answer_s = answer_s
        self._timeline = 0  # the newest that was seen; it grows when a standby takes over
        self._known_poolers: set[str] = set()  # those that keep sessions
        self.schema = ""  #: of partition 1 and of the leases of all; known once there was a connection
        self.cluster_id = ""  #: of all brokers of the database; known once the tables are there

    def table(self, name: str) -> str:
        """Return a table of the cluster, such as that of the leases, as it stands in statements on the connections of all partitions."""
        return f"{quoted(self.schema)}.{name}"

    async def connect(self, partition: int = 1) -> Connection:
        """Connect to the server that can write. The statements of the connection find the tables of *partition*.

        Raises:
            StoreFailed: nobody can be reached, or only a standby, or a primary of the past that has come back; or the database has no schema.

        """
        found = await self.reach(SETTINGS)
        made = found.connection
        try:
            if partition > 1:
                await made.execute(f"SET search_path TO {quoted(schema_of(self.schema, partition))}")
            if found.row["durable"] == "off":  # an answer would come before its commit is on the disk
                await made.execute("SET synchronous_commit = on")
            return Connection(made, self._timeline, self._answer_s)
        except BaseException as error:
            made.terminate()
            raise self._unused(error) from error

    async def reach(self, settings: Mapping[str, str]) -> Reached:
        """Connect to the server that can write, with these *settings* of the session. Raises as `connect`."""
        try:
            found = await self._newest(settings)
        except StoreFailed:
            raise
        except Exception as error:
            raise StoreFailed(
                f"Expected to reach the database {without_password(self.url)}, but found: {reason(error)}"
            ) from error
        try:
            await self._check(found)
        except BaseException as error:  # a caller who leaves leaves no connection behind either
            found.connection.terminate()
            raise self._unused(error) from error
        return found

    def _unused(self, error: BaseException) -> BaseException:
        if isinstance(error, StoreFailed) or not isinstance(error, Exception):
            return error
        return StoreFailed(f"Expected to use the database {without_password(self.url)}, but found: {reason(error)}")

    async def _newest(self, settings: Mapping[str, str]) -> Reached:
        """Return what the host says that can be written; of several, that with the newest timeline.

        An old primary that comes back after a failover can be written too, and may stand first.
        """
        waiting = {asyncio.ensure_future(_asked(url, settings)) for url in each_host(self.url)}
        made: list[Reached] = []
        failures: list[BaseException] = []
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=OTHERS_S if made else None, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    break
                made += [one.result() for one in done if one.exception() is None]
                failures += [failure for one in done if (failure := one.exception()) is not None]
            if not made:
                raise failures[0]
            made.sort(key=lambda one: int(one.row["timeline"]))
            return made.pop()
        finally:
            for one in waiting:
                one.cancel()
            late = await asyncio.gather(*waiting, return_exceptions=True)  # one may have answered in this moment
            for one_more in (*made, *(one for one in late if not isinstance(one, BaseException))):
                one_more.connection.terminate()

    async def _check(self, found: Reached) -> None:
        row = found.row
        if row["read_only"] == "on":
            raise StoreFailed(
                f"Expected a database that can be written, but found that {without_password(self.url)} is read-only"
            )
        if row["encoding"] != "UTF8":
            raise StoreFailed(f"Expected a database with the encoding UTF8, but found {row['encoding']}")
        if row["timeline"] < self._timeline:
            raise StoreFailed(
                f"Expected timeline {self._timeline} or later, but found {row['timeline']}: an old primary has come back"
            )
        if pooler.is_between(found.connection, row["pid"]) and found.url not in self._known_poolers:
            await self._check_pooler(found)
        self._timeline = row["timeline"]
        self.schema = self._same_schema(row["schema"])

    async def _check_pooler(self, found: Reached) -> None:
        """Refuse a pooler that mixes sessions; once it was seen to keep them, it is trusted."""
        try:
            async with asyncio.timeout(CONNECT_S):
                other = await _connected(found.url)
                try:
                    keeps = await pooler.keeps_sessions(found.connection, other)
                finally:
                    other.terminate()
        except TimeoutError:
            raise StoreFailed(
                f"Expected a pooler that gives the broker several connections at once, but found none within {CONNECT_S:g} s: is its"
                " pool large enough?"
            ) from None
        if not keeps:
            raise _mixed(found.url)
        self._known_poolers.add(found.url)

    def _same_schema(self, found: str | None) -> str:
        if found is None:
            raise StoreFailed("Expected a schema of the search_path to be there, but found none")
        if self.schema not in ("", found):
            raise StoreFailed(f"Expected the search_path to begin with the schema {self.schema}, but found {found}")
        return found


def each_host(url: str) -> list[str]:
    """Return a URL for each host that *url* names."""
    scheme, _, rest = url.partition("://")
    place = re.match(r"[^/?]*", rest)
    authority = place[0] if place else ""
    user, at, hosts = authority.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{rest[len(authority) :]}" for host in hosts.split(",")]


async def _asked(url: str, settings: Mapping[str, str]) -> Reached:
    """Connect to one host, if it can be written, give the session its *settings*, and ask for those of the server.

    The timeline is that of what is being written: the last checkpoint of a server that was just promoted is one of the past.
    """
    made = await _connected(url)
    calls = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in settings.items())
    try:
        async with asyncio.timeout(CONNECT_S):  # a pooler may have a connection, and no session for it
            return Reached(url, made, await made.fetchrow(f"SELECT ARRAY[{calls}] AS settings, {_OF_SERVER}"))
    except BaseException as error:
        made.terminate()
        if pooler.is_mix_up(error):
            raise _mixed(url) from error
        raise


async def _connected(url: str) -> "asyncpg.Connection":
    return await driver().connect(
        url,
        timeout=CONNECT_S,
        max_cacheable_statement_size=0,  # a load is a long text
        statement_cache_size=1_000,
        max_cached_statement_lifetime=0,
        target_session_attrs="read-write",
    )


def _mixed(url: str) -> StoreFailed:
    return StoreFailed(
        f"Expected each connection to keep its session, but found a pooler in transaction or statement mode at {without_password(url)}:"
        " name the server itself in database_url, or give the pool the session mode"
    )


def driver() -> Any:
    """Return the driver.

    Raises:
        StoreFailed: it is not installed.

    """
    try:
        import asyncpg
    except ImportError as error:
        raise StoreFailed(
            "Expected the driver asyncpg for a database of PostgreSQL, but it is not installed; pip install '.[postgresql]' in a checkout"
        ) from error
    return asyncpg


def reason(error: BaseException) -> str:
    """Return the text of an error of the driver; some have none."""
    return in_words(error)
