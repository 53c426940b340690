"""Copy the rows that partition 1 decides (definitions, start events, listeners, cluster variables, pauses) to all other partitions.

After each commit of partition 1 that changes such rows, the others take them over in its order, with their keys. A partition that was away,
or a broker that starts, compares instead: whatever differs from partition 1 is taken over. So nothing has to be remembered about what was
sent, and a lost or repeated change does no harm.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from osmia_broker.base.errors import StoreFailed, Unavailable
from osmia_broker.engine.cluster_rows import FollowCluster
from osmia_broker.partition.any_partition import WAIT_S, AnyPartition
from osmia_broker.partition.clock import Clock
from osmia_broker.partition.listener import Listener
from osmia_broker.partition.partition import Partition
from osmia_broker.state.cluster_tables import CLUSTER_TYPES, cluster_tables, ended, has_ended, identity_of
from osmia_broker.state.rows import DecisionRequirements, Form, ProcessDefinition, Resource, Row
from osmia_broker.state.store_protocol import Changes

PORTION_ROWS, PORTION_BYTES = 1_000, 2 * 1024**2  # that are taken over at a time; a link refuses a command of 16 MiB
RETRY_S = 1.0  # after a change that a partition could not take over

Contents = Callable[[Iterable[str]], Awaitable[dict[str, bytes]]]  #: returns the deployed files of these checksums
Rows = dict[tuple[type, Any], Row]

log = logging.getLogger(__name__)


class _Follower(Listener):
    """One partition that takes over. *changed* is called when `is_behind` has changed."""

    def __init__(
        self,
        partition: AnyPartition,
        compare: Callable[["_Follower"], Awaitable[FollowCluster | None]],
        changed: Callable[[], None],
        leads: Callable[[], bool],
    ) -> None:
        self.partition = partition
        self.task: asyncio.Task[None] | None = None
        self._is_behind = True  # until it has compared
        self._compare, self._changed, self._leads = compare, changed, leads
        self._is_comparing = True  # whatever was sent before is of no use
        self.may_compare = False  # the leader has been read
        self._sent: list[FollowCluster] = []
        self._retry: asyncio.TimerHandle | None = None

    @property
    def is_behind(self) -> bool:
        """Whether it has not yet taken over everything."""
        return self._is_behind

    def _set_behind(self, is_behind: bool) -> None:
        if is_behind != self._is_behind:
            self._is_behind = is_behind
            self._changed()

    def partition_opened(self) -> None:
        """Compare: changes may have been missed, and one whose outcome is unknown may have taken effect."""
        self.compare()

    def compare(self) -> None:
        """Take over whatever differs."""
        self._is_comparing = True
        self._set_behind(True)
        self._sent.clear()
        self._begin()

    def send(self, change: FollowCluster) -> None:
        """Take over one change more."""
        self._set_behind(True)
        if not self._is_comparing:
            self._sent.append(change)
            self._begin()

    def rest(self) -> None:
        """Take over nothing, until the leader has been read again."""
        self.may_compare = False
        if self._retry is not None:
            self._retry.cancel()
        if self.task is not None:
            self.task.cancel()

    def _begin(self) -> None:
        if self.task is None and self.may_compare and self.partition.is_open:
            self.task = asyncio.ensure_future(self._work())
            self.task.add_done_callback(self._ended)

    async def _work(self) -> None:
        while self._is_comparing or self._sent:
            if self._is_comparing:
                self._is_comparing = False
                change = await self._compare(self)
            else:
                sent, self._sent = self._sent, []
                change = _joined(sent)
            if change is not None:
                for portion in _portions(change):
                    await self._take(portion)
        self._set_behind(False)

    async def _take(self, change: FollowCluster) -> None:
        if not self._leads():  # another broker may have decided something else by now
            raise Unavailable("Expected to lead partition 1, but found that another broker may lead it")
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.partition.decide_own(change, taken)
        await taken

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self.task = None
        error = None if task.cancelled() else task.exception()
        if error is None:
            # Something came when the task had just done its last step, or while it was being ended.
            if self._is_comparing or self._sent:
                self._begin()
            return
        self._is_comparing = True  # which has all that was sent, and changes that came later
        self._sent.clear()
        log.warning("a partition lags behind", extra={"partition": self.partition.id, "error": str(error)})
        if self.partition.is_open:  # else its opening begins anew
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._begin)


class Following(Listener):
    """The partitions behind *leader*, which is partition 1. *contents* reads the deployed files that it has stored.

    `when_changed` is called when another partition has begun to lag, or lags no longer.
    """

    def __init__(self, leader: Partition, others: Iterable[AnyPartition], clock: Clock, contents: Contents) -> None:
        self._leader, self._clock, self._contents = leader, clock, contents
        self.when_changed: Callable[[], None] = lambda: None
        self._rows: Rows = {}  # of the cluster, as the leader has committed them; living ones only
        self._followers = {one.id: _Follower(one, self._difference, self._report_change, self._leads) for one in others}
        leader.add_listener(self)
        for follower in self._followers.values():
            follower.partition.add_listener(follower)

    def _report_change(self) -> None:
        self.when_changed()

    def _leads(self) -> bool:
        return self._leader.leads

    def is_behind(self, partition: AnyPartition) -> bool:
        """Whether the partition has not yet taken over all that the leader has committed."""
        follower = self._followers.get(partition.id)
        return follower is not None and follower.is_behind

    @property
    def lagging(self) -> list[int]:
        """The partitions that have not taken over everything."""
        return [id for id, follower in self._followers.items() if follower.is_behind]

    async def caught_up(self, wait_s: float = WAIT_S) -> None:
        """Wait until all partitions that are open have taken over what the leader has committed, at most *wait_s*."""
        tasks = [follower.task for follower in self._followers.values() if follower.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=wait_s)

    def stop(self) -> None:
        """Take over nothing more."""
        for follower in self._followers.values():
            follower.rest()

    # --- reports of the leader

    def partition_opened(self) -> None:
        """Begin with what the leader has read from its disk."""
        tables = cluster_tables(self._leader.state)
        self._rows = {identity_of(row): row for kind in CLUSTER_TYPES for row in tables[kind].living()}
        for follower in self._followers.values():
            follower.may_compare = True
            follower.compare()

    def partition_away(self, why: str) -> None:
        """Let none take over anything that may be out of date."""
        del why
        for follower in self._followers.values():
            follower.rest()

    def changes_committed(self, changes: Changes) -> None:
        """Pass on the rows of the cluster, if the commit has some."""
        written = changes.written
        rows = tuple(kind(*values) for kind in CLUSTER_TYPES if kind in written for values in written[kind])
        if not rows:
            return
        for row in rows:
            if has_ended(row):
                self._rows.pop(identity_of(row), None)
            else:
                self._rows[identity_of(row)] = row
        resources = tuple((checksum, content) for checksum, content in written.get(Resource, ()))
        for follower in self._followers.values():
            follower.send(FollowCluster(rows, resources))
        self._share_models(rows)

    def _share_models(self, rows: Iterable[Row]) -> None:
        """Let the others use what the leader has compiled for these rows: it never changes."""
        models = self._leader.state.definitions
        for checksum in _checksums(rows):
            if models.has_model(checksum):
                model = models.model(checksum)
                for follower in self._followers.values():
                    follower.partition.keep_model(checksum, model)

    # --- comparing

    async def _difference(self, follower: _Follower) -> FollowCluster | None:
        """Return what a partition has to take over to be like the leader; None for nothing.

        Raises:
            StoreFailed: it has definitions that the leader does not have.

        """
        known: Rows = {identity_of(row): row for row in await follower.partition.cluster_rows()}
        rows = dict(self._rows)  # after that question: what is committed from here on is sent
        over: list[Row] = []
        for identity, row in known.items():
            if identity not in rows:
                gone = ended(row, self._clock.now_ms())
                if gone is None:
                    raise StoreFailed(
                        f"Expected partition {follower.partition.id} to know nothing that partition {self._leader.id} does not know,"
                        f" but found {row}; restore the files of one backup together"
                    )
                over.append(gone)
        new = [row for identity, row in rows.items() if known.get(identity) != row]
        if not over and not new:
            return None
        missing = _checksums(row for row in new if identity_of(row) not in known)
        contents = await self._contents(missing) if missing else {}
        return FollowCluster((*over, *new), tuple(contents.items()))


def _joined(changes: list[FollowCluster]) -> FollowCluster:
    if len(changes) == 1:
        return changes[0]
    rows = tuple(row for change in changes for row in change.rows)
    return FollowCluster(rows, tuple(one for change in changes for one in change.resources))


def _portions(change: FollowCluster) -> Iterator[FollowCluster]:
    """Split a change that is too large for one commit, or one message to another process: first the files, then the rows in their order.

    A partition that has a part of it lags still, and the part is known when it compares again.
    """
    files: list[tuple[str, bytes]] = []
    size = 0
    for one in change.resources:
        if files and size + len(one[1]) > PORTION_BYTES:
            yield FollowCluster((), tuple(files))
            files, size = [], 0
        files.append(one)
        size += len(one[1])
    yield FollowCluster(change.rows[:PORTION_ROWS], tuple(files))
    for first in range(PORTION_ROWS, len(change.rows), PORTION_ROWS):
        yield FollowCluster(change.rows[first : first + PORTION_ROWS])


def _checksums(rows: Iterable[Row]) -> set[str]:
    """Return the checksums of the files that definitions among *rows* were made from."""
    found: set[str] = set()
    for row in rows:
        if isinstance(row, ProcessDefinition | DecisionRequirements | Form):
            found.add(row.checksum)
        if isinstance(row, ProcessDefinition) and row.extensions_checksum:
            found.add(row.extensions_checksum)
    return found
