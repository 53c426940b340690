"""`osmia batch`: one command for many things, by a filter: begin it, follow it, look at its items, stop it."""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.base.whole_numbers import INT32_MAX
from osmia_broker.cli import variables as typed
from osmia_broker.cli.commands.batch_runs import LIST, Filter, Run, carry_out, filter_with, followed, living
from osmia_broker.cli.failures import usage
from osmia_broker.cli.known_processes import find_process
from osmia_broker.cli.options import Key, Keys, Limit, OfJobType, Process
from osmia_broker.cli.rows import BATCH_ITEM_COLUMNS, batch_item_row, batch_row, every, first
from osmia_broker.cli.session import TIMEOUT, Session, with_session, with_session_and_timeout
from osmia_broker.cli.several import Deed, do_each
from osmia_broker.cli.times import as_duration, milliseconds

if TYPE_CHECKING:
    from osmia import SyncClient

app = typer.Typer(
    add_completion=False,
    help="One command for many things: show, items, cancel-instances, resolve-incidents, update-jobs …",
    no_args_is_help=True,
)

OF_INSTANCES = "--process ID or --filter JSON"
FILTER = '--filter \'{"state": "ACTIVE"}\''
UNTIL_ENDED = "How long to follow it; without end unless given."

Version = Annotated[int, typer.Option(min=0, max=INT32_MAX, help="Only of this version.", show_default=False)]
Document = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help="A filter of the REST API; @FILE and - read it."),
]
Detached = Annotated[bool, typer.Option("--detach", "-d", help="Begin it, and do not wait for its end.")]


def _instances(process: str, version: int, document: str | None) -> Filter:
    """Return the filter of process instances that options give."""
    conditions = {"processDefinitionId": process, "processDefinitionVersion": version}
    return filter_with(conditions, _read(document), OF_INSTANCES)


def _read(document: str | None) -> Filter:
    return {} if document is None else typed.given_document(document, "--filter", FILTER)


# --- look after


@app.command()
@with_session_and_timeout(UNTIL_ENDED)
def show(
    session: Session,
    key: Key,
    is_followed: Annotated[bool, typer.Option("--follow", "-f", help="Wait for its end.")] = False,
) -> None:
    """Show a batch operation: what it does, how far it is, and the first items that were refused.

    Example: osmia batch show 2251799813685260 --follow
    """
    with session.client(found_by=LIST, call_timeout=TIMEOUT) as client:
        batch = followed(session, client, key, wait=session.timeout) if is_followed else client.batches.get(key)
        refused = client.batches.items(key, states=["FAILED"], limit=3).items if batch.failed else []
    lines = [
        f"{key}  {batch.type}  {batch.state}",
        f"  items     {batch.items}: {batch.completed} done, {batch.failed} refused",
        *([f"  by        {batch.user}"] if batch.user else []),
        *(f"  refused   {one.item_key}: {one.error_message}" for one in refused),
    ]
    session.one(batch_row(batch), key="batchOperationKey", text="\n".join(lines))
    if batch.failed > len(refused):
        session.say(f"All that were refused: osmia batch items {key} --state failed")


class ItemState(StrEnum):
    """The values of `--state`."""

    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    ALL = "all"


@app.command()
@with_session
def items(
    session: Session,
    key: Key,
    state: Annotated[
        ItemState, typer.Option(case_sensitive=False, help="The state of the listed ones.")
    ] = ItemState.ALL,
    limit: Limit = 50,
) -> None:
    """List the items of a batch operation, and why some were refused.

    Example: osmia batch items 2251799813685260 --state failed
    """
    with session.client(found_by=LIST) as client:
        client.batches.get(key)  # an unknown key is an error, not an empty list
        states = [] if state is ItemState.ALL else [state.upper()]
        rows = [
            batch_item_row(one) for one in first(session, every(client.batches.items, key=key, states=states), limit)
        ]
    session.list(rows, BATCH_ITEM_COLUMNS, empty="No items." if state is ItemState.ALL else "No such items.")


@app.command()
@with_session
def suspend(session: Session, keys: Keys) -> None:
    """Pause batch operations until they are resumed.

    Example: osmia batch suspend 2251799813685260
    """
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.batches.suspend, "suspended")


@app.command()
@with_session
def resume(session: Session, keys: Keys) -> None:
    """Let suspended batch operations go on.

    Example: osmia batch resume 2251799813685260
    """
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.batches.resume, "resumed")


@app.command()
@with_session
def cancel(session: Session, keys: Keys) -> None:
    """End batch operations. What is done stays done; the items that are left are canceled.

    Example: osmia batch cancel 2251799813685260 --yes
    """
    what = f"batch operation {keys[0]}" if len(keys) == 1 else f"{len(keys)} batch operations"
    session.confirm(f"Cancel {what}? What is done stays done.")
    with session.client(found_by=LIST) as client:
        _do_each(session, client, keys, client.batches.cancel, "canceled")


def _do_each(session: Session, client: "SyncClient", keys: list[int], act: Callable[[int], None], done: str) -> None:
    deed = Deed("batch operation", done, "batchOperationKey", LIST)
    do_each(session, client.address, keys, act, deed, within=partial(living, client))


# --- begin


@app.command("cancel-instances")
@with_session_and_timeout(UNTIL_ENDED)
def cancel_instances(
    session: Session, process: Process = "", version: Version = 0, filter: Document = None, detach: Detached = False
) -> None:
    """Cancel the running process instances that pass a filter, with all their work.

    Example: osmia batch cancel-instances --process dinner
    """
    run = Run(
        "CANCEL_PROCESS_INSTANCE",
        "Cancel",
        "process instance",
        "canceled",
        (" and everything in it", " and everything in them"),
    )
    wanted = _instances(process, version, filter)
    carry_out(session, run, wanted, lambda calls, text: calls.cancel_instances(text or ""), is_detached=detach)


@app.command("suspend-instances")
@with_session_and_timeout(UNTIL_ENDED)
def suspend_instances(
    session: Session, process: Process = "", version: Version = 0, filter: Document = None, detach: Detached = False
) -> None:
    """Suspend the active process instances that pass a filter.

    Example: osmia batch suspend-instances --process dinner --version 2
    """
    run = Run("SUSPEND_PROCESS_INSTANCE", "Suspend", "process instance", "suspended")
    wanted = _instances(process, version, filter)
    carry_out(session, run, wanted, lambda calls, text: calls.suspend_instances(text or ""), is_detached=detach)


@app.command("resume-instances")
@with_session_and_timeout(UNTIL_ENDED)
def resume_instances(
    session: Session, process: Process = "", version: Version = 0, filter: Document = None, detach: Detached = False
) -> None:
    """Let the suspended process instances that pass a filter go on.

    Example: osmia batch resume-instances --process dinner
    """
    run = Run("RESUME_PROCESS_INSTANCE", "Resume", "process instance", "resumed")
    wanted = _instances(process, version, filter)
    carry_out(session, run, wanted, lambda calls, text: calls.resume_instances(text or ""), is_detached=detach)


@app.command("delete-instances")
@with_session_and_timeout(UNTIL_ENDED)
def delete_instances(
    session: Session, process: Process = "", version: Version = 0, filter: Document = None, detach: Detached = False
) -> None:
    """Delete the ended process instances that pass a filter, with their history, for ever.

    Example: osmia batch delete-instances --filter '{"endDate": {"$lt": "2026-01-01T00:00:00Z"}}'
    """
    run = Run(
        "DELETE_PROCESS_INSTANCE", "Delete", "process instance", "deleted", (" with its history", " with their history")
    )
    wanted = _instances(process, version, filter)
    carry_out(session, run, wanted, lambda calls, text: calls.delete_instances(text or ""), is_detached=detach)


@app.command("migrate-instances")
@with_session_and_timeout(UNTIL_ENDED)
def migrate_instances(
    session: Session,
    to: Annotated[str, typer.Option(metavar="KEY|ID", help="A process version by its key, or the latest of an id.")],
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FROM=TO", help="The element to go on at, for each with another id there."),
    ] = None,
    process: Process = "",
    version: Version = 0,
    filter: Document = None,
    detach: Detached = False,
) -> None:
    """Let active process instances go on in another process or version. Active elements go on where the same id is.

    Example: osmia batch migrate-instances --process dinner --version 1 --to dinner --map decide=choose
    """
    mapping = _pairs(maps, "--map FROM=TO", "--map decide=choose") if maps else {}
    wanted = _instances(process, version, filter)
    with session.client(found_by=LIST) as client:
        target = find_process(client, to, "osmia batch migrate-instances --to {}").key
    run = Run("MIGRATE_PROCESS_INSTANCE", "Migrate", "process instance", "migrated")
    carry_out(
        session,
        run,
        wanted,
        lambda calls, text: calls.migrate_instances(
            text or "", target_definition_key=target, mapping=mapping, maps_same_ids=True
        ),
        is_detached=detach,
    )


@app.command("modify-instances")
@with_session_and_timeout(UNTIL_ENDED)
def modify_instances(
    session: Session,
    moves: Annotated[
        list[str] | None, typer.Option("--move", metavar="FROM=TO", help="Move the tokens of one element to another.")
    ] = None,
    process: Process = "",
    version: Version = 0,
    filter: Document = None,
    detach: Detached = False,
) -> None:
    """Move tokens in the active process instances that pass a filter.

    Example: osmia batch modify-instances --process dinner --move decide=eat
    """
    pairs = _pairs(moves, "--move FROM=TO", "--move decide=eat")
    run = Run("MODIFY_PROCESS_INSTANCE", "Modify", "process instance", "modified")
    wanted = _instances(process, version, filter)
    carry_out(
        session, run, wanted, lambda calls, text: calls.modify_instances(text or "", moves=pairs), is_detached=detach
    )


@app.command("resolve-incidents")
@with_session_and_timeout(UNTIL_ENDED)
def resolve_incidents(
    session: Session,
    process: Process = "",
    version: Version = 0,
    filter: Document = None,
    is_all: Annotated[bool, typer.Option("--all", help="Of all active process instances.")] = False,
    detach: Detached = False,
) -> None:
    """Resolve the incidents of the active process instances that pass a filter. A job without tries gets one.

    Example: osmia batch resolve-incidents --process dinner
    """
    if is_all and (process or version or filter is not None):
        raise usage("--all stands alone.", "osmia batch resolve-incidents --all")
    run = Run("RESOLVE_INCIDENT", "Resolve", "incident", "resolved")
    wanted = (
        None
        if is_all
        else filter_with(
            {"processDefinitionId": process, "processDefinitionVersion": version},
            _read(filter),
            f"{OF_INSTANCES} or --all",
        )
    )
    carry_out(session, run, wanted, lambda calls, text: calls.resolve_incidents(text), is_detached=detach)


@app.command("update-jobs")
@with_session_and_timeout(UNTIL_ENDED)
def update_jobs(
    session: Session,
    type: OfJobType = "",
    process: Process = "",
    filter: Document = None,
    retries: Annotated[int | None, typer.Option(min=1, max=INT32_MAX, help="The tries that each has left.")] = None,
    priority: Annotated[
        int | None, typer.Option(min=-INT32_MAX - 1, max=INT32_MAX, help="The higher one is handed out first.")
    ] = None,
    lock: Annotated[
        timedelta | None,
        typer.Option(parser=as_duration, metavar="DURATION", help="How long workers hold them from now on."),
    ] = None,
    detach: Detached = False,
) -> None:
    """Change the tries, the priority or the lock of the open jobs that pass a filter.

    Example: osmia batch update-jobs --type charge-card --retries 3
    """
    changes: dict[str, Any] = {"retries": retries, "priority": priority}
    changes["timeout_ms"] = None if lock is None else milliseconds(lock)
    if all(one is None for one in changes.values()):
        raise usage("Expected --retries, --priority or --lock, but found none.", "--retries 3")
    conditions = {"type": type, "processDefinitionId": process}
    wanted = filter_with(conditions, _read(filter), "--type TYPE, --process ID or --filter JSON")
    run = Run("UPDATE_JOB", "Update", "job", "updated")
    carry_out(session, run, wanted, lambda calls, text: calls.update_jobs(text or "", **changes), is_detached=detach)


@app.command("delete-evaluations")
@with_session_and_timeout(UNTIL_ENDED)
def delete_evaluations(
    session: Session,
    decision: Annotated[str, typer.Option("--decision", metavar="ID", help="Only of this decision.")] = "",
    filter: Document = None,
    detach: Detached = False,
) -> None:
    """Delete the evaluations of decisions that pass a filter, for ever.

    Example: osmia batch delete-evaluations --decision dish
    """
    wanted = filter_with({"decisionDefinitionId": decision}, _read(filter), "--decision ID or --filter JSON")
    run = Run("DELETE_DECISION_INSTANCE", "Delete", "evaluation", "deleted")
    carry_out(session, run, wanted, lambda calls, text: calls.delete_evaluations(text or ""), is_detached=detach)


def _pairs(given: list[str] | None, form: str, example: str) -> dict[str, str]:
    """Return pairs of element ids."""
    if not given:
        raise usage(f"Expected {form}, but found none.", example)
    pairs = {}
    for text in given:
        source, _, target = text.partition("=")
        if not (source and target):
            raise usage(f"Expected {form}, but found '{text}'.", example)
        if source in pairs:
            raise usage(f"Expected {form} once for each element, but found '{source}' twice.")
        pairs[source] = target
    return pairs
