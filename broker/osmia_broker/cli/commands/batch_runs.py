"""Begin a batch operation after a look at what it is for, and follow it beside a progress bar until it has ended."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure, telling_end, usage
from osmia_broker.cli.item_lists import together
from osmia_broker.cli.known_processes import missing_process
from osmia_broker.cli.progress import progress_bar
from osmia_broker.cli.rows import batch_row
from osmia_broker.cli.session import TIMEOUT, Session
from osmia_broker.cli.times import milliseconds, spelt
from osmia_broker.cli.variables import json_text

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.calls.batches import BatchBegun, BatchOperation
    from osmia.sync import SyncBatches

TOLD_MAX = 3  # refused items in the error; the others are counted
LIST = "osmia batches"

Filter = dict[str, Any]  #: of the REST API; values may be `msgspec.Raw` JSON


@dataclass(frozen=True, slots=True)
class Run:
    """Words for a batch operation: `Cancel 12 process instances?`, `12 of 12 process instances canceled`."""

    type: str  # of the SDK
    verb: str  # Cancel
    noun: str  # process instance
    done: str  # canceled
    more: tuple[str, str] = ("", "")  # behind one thing and behind several, in the question


def filter_with(conditions: Filter, document: Filter, options: str) -> Filter:
    """Return the filter of *conditions* that are not empty, and of the JSON *document*.

    Raises:
        Failure: USAGE; it has no condition, or two for the same. *options* are those that a person can give.
    """
    filter = together(conditions, document)
    if not filter:
        raise usage(
            f"Expected {options}, but found none: a batch operation for everything is more likely a mistake.",
            options.partition(" or ")[0].partition(",")[0],
        )
    return filter


def carry_out(
    session: Session,
    run: Run,
    filter: Filter | None,
    begin: "Callable[[SyncBatches, str | None], BatchBegun]",
    *,
    is_detached: bool,
) -> None:
    """Say how many things pass *filter* and ask for consent, call *begin*, and follow the batch operation unless *is_detached*.

    Raises:
        Failure: PARTLY; some items were refused, or the batch operation was canceled.
    """
    text = (
        None if filter is None else msgspec.json.encode({name: _raw(value) for name, value in filter.items()}).decode()
    )
    with session.client(found_by=LIST, call_timeout=TIMEOUT) as client:
        number = client.batches.count(run.type, text)
        if not number:
            process = (filter or {}).get("processDefinitionId")
            missing = missing_process(client, process) if isinstance(process, str) else ""
            session.say(missing or f"No such {run.noun}s.")
            return
        session.confirm(f"{run.verb} {counted(number, run.noun)}{run.more[number != 1]}?")
        begun = begin(client.batches, text)
        if is_detached:
            row = {"batchOperationKey": str(begun.key), "operationsTotalCount": begun.items}
            session.one(row, key="batchOperationKey", text=f"Begun {begun.key} for {counted(begun.items, run.noun)}")
            session.say(f"To follow it: osmia batch show {begun.key} --follow")
            return
        batch = followed(session, client, begun.key, wait=session.timeout)
        told = f"{batch.completed:,} of {counted(batch.items, run.noun)} {run.done}"
        session.one(batch_row(batch), key="batchOperationKey", text=told)
        expect_all_done(client, batch, told)


def followed(session: Session, client: "SyncClient", key: int, *, wait: timedelta | None = None) -> "BatchOperation":
    """Follow a batch operation beside a progress bar, and return it as it ended.

    Raises:
        Failure: TIMED_OUT; it goes on for longer than *wait*.
        KeyboardInterrupt: the person stops to follow it; it has been said that it goes on.
    """
    from osmia.errors import Timeout

    seen = client.batches.follow(key, wait_ms=None if wait is None else milliseconds(wait))
    try:
        return _shown(session, seen)
    except KeyboardInterrupt:
        session.say(f"Batch operation {key} goes on: osmia batch show {key} --follow")
        raise
    except Timeout as error:
        if wait is None:
            raise
        raise Failure(
            Exit.TIMED_OUT,
            f"Batch operation {key} has not ended within {spelt(wait)}; it goes on.",
            mend=f"osmia batch show {key} --follow",
            code="DEADLINE_EXCEEDED",
        ) from error


def _shown(session: Session, seen: "Iterator[BatchOperation]") -> "BatchOperation":
    """Show a batch operation each time that it has changed, and return it as it is seen last."""
    with progress_bar(session) as bar:
        task = bar.add_task("worked off", total=None)
        for batch in seen:
            bar.update(task, total=batch.items, completed=batch.completed + batch.failed)
            if batch.state == "SUSPENDED":
                session.say(f"It is suspended. To let it go on: osmia batch resume {batch.key}")
    return batch


def expect_all_done(client: "SyncClient", batch: "BatchOperation", told: str) -> None:
    """Expect that a batch operation which has ended is through with all items, and that none was refused.

    Raises:
        Failure: PARTLY; the text is *told*, with the first reasons.
    """
    if batch.state == "CANCELED":
        raise Failure(
            Exit.PARTLY,
            f"{told}; then the batch operation was canceled.",
            mend=f"osmia batch items {batch.key}",
            code="PARTLY",
        )
    if not batch.failed:
        return
    refused = client.batches.items(batch.key, states=["FAILED"], limit=TOLD_MAX).items
    more = f"; and {batch.failed - len(refused)} more" if batch.failed > len(refused) else ""
    raise Failure(
        Exit.PARTLY,
        f"{told}.",
        why="; ".join(f"{one.item_key}: {one.error_message.removesuffix('.')}" for one in refused) + more,
        mend=f"osmia batch items {batch.key} --state failed",
        code="PARTLY",
    )


def living(client: "SyncClient", key: int) -> AbstractContextManager[None]:
    """Return a context for what needs the batch operation *key* to live. Raises as `telling_end`."""
    return telling_end(f"Batch operation {key}", f"osmia batch show {key}", lambda: client.batches.get(key).state)


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json_text(value).encode())
