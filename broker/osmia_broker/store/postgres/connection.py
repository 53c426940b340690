"""Connections to the server: how they are made, and the meaning of their errors.

A commit has one of three outcomes: it succeeded, it was refused, or nobody knows. The last is the case when the connection breaks before
the answer, and also when the server says that a commit stopped waiting for its standby: it may be gone after a failover. A commit is never
cancelled, because the server would then report success for a commit that no standby has. A connection that gives no answer is shut down.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from osmia_broker.addresses import without_password
from osmia_broker.errors import StoreFailed
from osmia_broker.store.postgres.schemas import quoted, schema_of

if TYPE_CHECKING:
    import asyncpg

CONNECT_S = 10.0  # a server that takes longer is tried again
ANSWER_S = 5.0  # without an answer for so long, a connection counts as broken; a long commit takes 0.1 s
START_S = 120.0  # the same for what happens once: making the tables, reading all that a start needs
SETTINGS = {
    "application_name": "osmia",
    "plan_cache_mode": "force_generic_plan",  # a load of one instance costs 0.19 ms instead of 0.45
    "lock_timeout": "4s",  # shorter than ANSWER_S, so that waiting for a row that somebody has locked is refused and not unknown
    "idle_in_transaction_session_timeout": "30s",
}

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
        patience = asyncio.get_running_loop().call_later(answer_s, self._driver.terminate)
        try:
            answer = await call(text, *values)
        finally:
            patience.cancel()
        if self._is_unsure:
            raise ConnectionError(f"a commit that was not confirmed: {_NO_STANDBY}")
        return answer

    async def pairs(self, text: str, take: Callable[[list[Any]], None], *, at_once: int = 10_000) -> None:
        """Run a statement that may give millions of rows, and hand them to *take* in portions."""
        async with self._driver.transaction(readonly=True):
            cursor = await self._driver.cursor(text)
            while found := await cursor.fetch(at_once):
                take(found)

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


class Server:
    """The server, or the pair of servers, at *url*; makes connections to whichever of them can write."""

    def __init__(self, url: str, *, answer_s: float = ANSWER_S) -> None:
        self.url = url
        self._answer_s = answer_s
        self._timeline = 0  # the newest that was seen; it grows when a standby takes over
        self.schema = ""  #: of partition 1 and of the leases of all; known once there was a connection

    def table(self, name: str) -> str:
        """Return a table of the cluster, such as that of the leases, as it stands in statements on the connections of all partitions."""
        return f"{quoted(self.schema)}.{name}"

    async def connect(self, partition: int = 1) -> Connection:
        """Connect to the server that can write. The statements of the connection find the tables of *partition*.

        Raises:
            StoreFailed: nobody can be reached, or only a standby, or a primary of the past that has come back; or the database has no schema.

        """
        asyncpg = driver()
        try:
            made = await asyncpg.connect(
                self.url,
                timeout=CONNECT_S,
                server_settings=SETTINGS,
                max_cacheable_statement_size=0,  # a load is a long text
                statement_cache_size=1_000,
                max_cached_statement_lifetime=0,
                target_session_attrs="read-write",
            )
        except Exception as error:
            raise StoreFailed(
                f"Expected to reach the database {without_password(self.url)}, but found: {reason(error)}"
            ) from error
        try:
            return await self._checked(made, partition)
        except BaseException as error:  # a caller who leaves leaves no connection behind either
            made.terminate()
            if isinstance(error, StoreFailed) or not isinstance(error, Exception):
                raise
            raise StoreFailed(
                f"Expected to use the database {without_password(self.url)}, but found: {reason(error)}"
            ) from error

    async def _checked(self, made: "asyncpg.Connection", partition: int) -> Connection:
        row = await made.fetchrow(
            "SELECT current_setting('transaction_read_only') AS read_only, current_setting('synchronous_commit') AS durable,"
            " current_setting('server_encoding') AS encoding, (pg_control_checkpoint()).timeline_id AS timeline, current_schema() AS schema"
        )
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
        self._timeline = row["timeline"]
        self.schema = self._same_schema(row["schema"])
        if partition > 1:
            await made.execute(f"SET search_path TO {quoted(schema_of(self.schema, partition))}")
        if row["durable"] == "off":  # an answer would come before its commit is on the disk
            await made.execute("SET synchronous_commit = on")
        return Connection(made, self._timeline, self._answer_s)

    def _same_schema(self, found: str | None) -> str:
        if found is None:
            raise StoreFailed("Expected a schema of the search_path to be there, but found none")
        if self.schema not in ("", found):
            raise StoreFailed(f"Expected the search_path to begin with the schema {self.schema}, but found {found}")
        return found


def driver() -> Any:
    """Return the driver.

    Raises:
        StoreFailed: it is not installed.

    """
    try:
        import asyncpg
    except ImportError as error:
        raise StoreFailed(
            "Expected the driver asyncpg for a database of PostgreSQL, but it is not installed; pip install 'osmia[postgresql]'"
        ) from error
    return asyncpg


def reason(error: BaseException) -> str:
    """Return the text of an error of the driver; some have none."""
    return str(error).strip() or type(error).__name__
