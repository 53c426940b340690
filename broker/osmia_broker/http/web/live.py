"""Reports to open pages what has changed, by server-sent events: names of topics, no content. A page then asks again for its changed parts.

    id: 7f3a-12
    event: changed
    data: tasks instances instance-2251799813685251

Topics come from the rows of each commit, so that whatever changed them is noticed: another browser, a worker, a timer, the command line.
That costs nothing while no page is open. (`osmia.v1.Events` would record every change on the disk meanwhile: see decision 0019.)

A browser that comes back sends the id that it saw last. If anything has happened since, the first event is `again`: refresh everything.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from random import random

from osmia_broker.partition import Listener
from osmia_broker.state.rows import Incident, InstanceOrigin
from osmia_broker.state.rows.batches import BatchOperation
from osmia_broker.state.rows.definitions import Decision, ProcessDefinition
from osmia_broker.state.rows.kinds import KINDS
from osmia_broker.state.rows.tasks import TaskComment, TaskEvent, TaskProposal, TaskSnooze, UserTask
from osmia_broker.state.store_protocol import Changes

PAGES_MAX = 2_000
TOPICS_MAX = 32  # that one page may ask for
PAUSE_S = 0.2  # between two events of a page: many changes become one
PAUSE_PER_PAGE_S = 0.02  # added for each open page: when all of them ask again, the broker still has its other work
SPREAD_PER_PAGE_S = 0.004  # a change that many pages show is told to them one after the other
BEAT_S = 15.0  # a page that hears nothing for longer than this takes its connection for broken
INSTANCES_MAX = 2_000  # of one commit; beyond it every instance counts as changed

EVERY_INSTANCE = "every-instance"

#: The topics of a table as a whole; an instance, and a task, have topics of their own besides.
TOPICS: dict[type, tuple[str, ...]] = {
    UserTask: ("tasks",),
    TaskSnooze: ("tasks",),
    InstanceOrigin: ("tasks",),  # which say so when it is suspended
    Incident: ("incidents", "instances", "processes"),
    ProcessDefinition: ("processes",),
    Decision: ("decisions",),
    BatchOperation: ("batches",),
}
OF_TASK: dict[type, str] = {
    UserTask: "key",
    TaskEvent: "user_task_key",
    TaskComment: "user_task_key",
    TaskSnooze: "user_task_key",
    TaskProposal: "user_task_key",
}


class Page:
    """An open page that waits for news about its topics."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self._news: set[str] = set()
        self._changed = asyncio.Event()
        self._over = asyncio.Event()

    def tell(self, topics: set[str]) -> None:
        """Note that *topics* have changed."""
        news = self.wanted_of(topics)
        if news:
            self._news |= news
            self._changed.set()

    def wanted_of(self, topics: set[str]) -> set[str]:
        """Return those of *topics* that the page shows."""
        wanted = topics & self.topics
        if EVERY_INSTANCE in topics:
            wanted |= {one for one in self.topics if one.startswith("instance-")}
        return wanted

    def tell_all(self) -> None:
        """Note that everything may have changed."""
        self.tell(set(self.topics))

    def end(self) -> None:
        """Let the page go: the broker stops."""
        self._over.set()
        self._changed.set()

    async def news(self, within_s: float) -> list[str] | None:
        """Wait for news, but no longer than *within_s*; return the changed topics, or None when the broker stops."""
        try:
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        except TimeoutError:
            return []
        if self._over.is_set():
            return None
        self._changed.clear()
        news, self._news = self._news, set()
        return sorted(news)

    async def rest(self, seconds: float) -> None:
        """Wait, but no longer than the broker runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()


class Live(Listener):
    """The open pages of a process, and other processes that pass on what happens here to theirs.

    `when_watched` is called with whether pages are open: when the first one opens, and when the last one closes.
    """

    def __init__(self) -> None:
        self._pages: set[Page] = set()
        self._others: set[Page] = set()  # other processes
        self.when_watched: Callable[..., None] = lambda **_: None
        self._life = secrets.token_hex(4)  # positions of an earlier process mean nothing
        self._position = 0
        self._is_stopped = False

    def __len__(self) -> int:
        return len(self._pages)

    @property
    def position(self) -> str:
        """The id of the last change."""
        return f"{self._life}-{self._position}"

    def changes_committed(self, changes: Changes) -> None:
        """Report the topics of *changes* to the pages and to other processes."""
        if not self._pages and not self._others:
            self._position += 1
            return
        topics = topics_of(changes)
        self.tell(topics)
        for other in self._others:
            other.tell(topics)

    def tell(self, topics: set[str]) -> None:
        """Report to the pages that *topics* have changed, here or in another process."""
        self._position += 1
        for page in self._pages:
            page.tell(topics)

    def partition_opened(self) -> None:
        """Forget positions: memory has begun anew."""
        self._life = secrets.token_hex(4)

    def begin_anew(self) -> None:
        """Let all pages ask for everything: changes have been missed."""
        self._life = secrets.token_hex(4)
        for page in self._pages:
            page.tell_all()

    @contextmanager
    def watched_by(self, other: Page) -> Iterator[None]:
        """Report to another process, too, for the time of the `with`."""
        self._others.add(other)
        try:
            yield
        finally:
            self._others.discard(other)

    def stop(self) -> None:
        """End all streams, and those that are asked for from now on."""
        self._is_stopped = True
        for page in (*self._pages, *self._others):
            page.end()

    async def follow(self, topics: Iterable[str], last_id: str = "") -> AsyncIterator[bytes]:
        """Yield server-sent events about *topics*, after the one with *last_id*. At most `PAGES_MAX` pages are served."""
        if self._is_stopped:
            return
        if len(self._pages) >= PAGES_MAX:
            yield b"retry: 60000\n\n"
            return
        page = Page(frozenset([*topics][:TOPICS_MAX]))
        self._pages.add(page)
        if len(self._pages) == 1:
            self.when_watched(is_watched=True)
        try:
            yield self._event("again" if last_id and last_id != self.position else "ready", "", self.position)
            while (news := await page.news(BEAT_S)) is not None:
                if not news:
                    yield b": beat\n\n"
                    continue
                position = self.position  # of these news: what comes now is told next
                await page.rest(random() * SPREAD_PER_PAGE_S * len(self._pages))  # noqa: S311 - no secret
                yield self._event("changed", " ".join(news), position)
                await page.rest(PAUSE_S + PAUSE_PER_PAGE_S * len(self._pages))
        finally:
            self._pages.discard(page)
            if not self._pages:
                self.when_watched(is_watched=False)

    @staticmethod
    def _event(name: str, data: str, position: str) -> bytes:
        return f"id: {position}\nevent: {name}\ndata: {data}\n\n".encode()


def topics_of(changes: Changes) -> set[str]:
    """Return the topics of all rows of a commit."""
    topics: set[str] = set()
    instances: set[int] = set(changes.erased)
    for row_type, rows in changes.written.items():
        topics.update(TOPICS.get(row_type, ()))
        instance_of, task_of = _columns(row_type)
        if instance_of is not None:
            instances.update(row[instance_of] for row in rows)
        if task_of is not None:
            topics.update(f"task-{row[task_of]}" for row in rows)
    if instances:
        topics.update(("instances", "processes"))
    if len(instances) > INSTANCES_MAX:
        topics.add(EVERY_INSTANCE)
    else:
        topics.update(f"instance-{key}" for key in instances)
    return topics


@cache
def _columns(row_type: type) -> tuple[int | None, int | None]:
    """Return where the values of a row have the key of its process instance, and of its user task."""
    names = KINDS[row_type].columns
    instance = names.index("process_instance_key") if "process_instance_key" in names else None
    task = OF_TASK.get(row_type)
    return instance, names.index(task) if task else None


def read_topics(text: str) -> Iterator[str]:
    """Read the topics that a page asks for, separated by blanks or commas."""
    yield from dict.fromkeys(text.replace(",", " ").split())
