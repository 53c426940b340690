"""`osmia task`: work on one user task: show, claim, complete, comment and more."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.commands import task_lists, task_proposals
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.form_answers import Unasked, answers, form_fields, unasked
from osmia_broker.cli.options import Action, Element, Groups, Key, Process, User, Var, Vars, acting, names
from osmia_broker.cli.output import Column, moment
from osmia_broker.cli.rows import task_row
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import as_date_time, as_duration, milliseconds, spelt

if TYPE_CHECKING:
    from osmia import SyncClient, UserTask

app = typer.Typer(
    add_completion=False,
    help="One user task: show, claim, complete, comment, snooze, undo, proposals, history and more.",
    no_args_is_help=True,
)

LIST = "osmia tasks"
NOBODY = "No assignee provided"  #: in the refusal of a claim by nobody
CHANNELS = {"RULE": "the process"}  #: that a table calls by another name
HISTORY_COLUMNS = (
    Column("timestamp", "WHEN", is_moment=True),
    Column("operationType", "WHAT"),
    Column("actorId", "WHO", is_long=True),
    Column("channel", "FROM", text=lambda row: CHANNELS.get(row["channel"], row["channel"])),
    Column("action", "ACTION", is_long=True),
    Column("changes", "CHANGES", is_long=True),
    Column("refusal", "DENIED", is_long=True),
)


@app.command()
@with_session
def show(session: Session, key: Key, user: User = "", groups: Groups = "") -> None:
    """Show a user task: its people, its dates, its process instance, its variables, its form fields and its comments.

    Example: osmia task show 2251799813685256
    """
    with session.client(found_by=LIST) as client:
        task, who = _task(client, key, user, groups), acting(user, groups)
        comments = client.user_tasks.comments(task.key, **who)
        variables = client.user_tasks.variables(task.key, **who) if not task.completion_date else {}
        fields = form_fields(client.user_tasks.form(task.key, **who))
        is_held = not task.completion_date and _is_suspended(client, task.process_instance_key)
    said = [{"user": one.user or None, "text": one.text, "timestamp": moment(one.at_ms)} for one in comments]
    row = {**task_row(task, is_suspended=is_held), "comments": said, "variables": variables, "formFields": fields}
    shown = {
        "state": task.state,
        "assignee": task.assignee or "nobody",
        "groups": ", ".join(task.candidate_groups),
        "users": ", ".join(task.candidate_users),
        "due": task.due_date,
        "follow up": task.follow_up_date,
        "priority": str(task.priority),
        "form": task.external_form or str(task.form_key or ""),
        "process": f"{task.bpmn_process_id} (version {task.process_version})",
        "instance": f"{task.process_instance_key}{', which is suspended: the task takes nothing' if is_held else ''}",
    }
    about = [f"  {line}" for line in task.documentation.strip().splitlines()]
    lines = [f"{task.key}  {row['name']}", *about, *(f"  {name:<10}{value}" for name, value in shown.items() if value)]
    for title, listed in (("variables", _pairs(variables)), ("form fields", [_field(one) for one in fields])):
        lines += [f"  {title}", *(f"    {line}" for line in listed)] if listed else []
    lines += [f"  {one['timestamp']}  {one['user'] or 'somebody'}: {one['text']}" for one in said]
    session.one(row, key="userTaskKey", text="\n".join(lines))


def _is_suspended(client: "SyncClient", process_instance_key: int) -> bool:
    """Whether an instance is known to be suspended. Who may see a task need not see its instance."""
    from osmia.errors import Refused

    try:
        return client.get_instance(process_instance_key).state == "SUSPENDED"
    except Refused:
        return False


@app.command()
@with_session
def claim(session: Session, key: Key, user: User = "", groups: Groups = "", action: Action = "") -> None:
    """Take a free user task.

    Example: osmia task claim 2251799813685256 --user anna
    """
    from osmia.errors import InvalidState

    with session.client(found_by=LIST) as client, _by_somebody(user, f"osmia task claim {key} --user anna"):
        task = _open_task(client, key, user, groups)
        try:
            client.user_tasks.claim(task.key, **acting(user, groups), action=action)
        except InvalidState as error:
            raise _claimed_already(client, task.key, user, groups, error.sentence) or error from error
        holder = client.user_tasks.get(task.key, **acting(user, groups)).assignee
    _done(session, task.key, f"Claimed {task.key} for {holder or user or 'you'}")


@app.command()
@with_session
def next(
    session: Session,
    user: User = "",
    groups: Groups = "",
    process: Process = "",
    element: Element = "",
    action: Action = "",
) -> None:
    """Take the best free user task of a person and their groups: due first, then by priority, then the oldest.

    Example: osmia task next --user anna --groups family,cooks
    """
    with session.client(found_by=LIST) as client, _by_somebody(user, "osmia task next --user anna"):
        task = client.user_tasks.claim_next(
            **acting(user, groups), bpmn_process_id=process, element_id=element, action=action
        )
    if task is None:
        raise Failure(Exit.NOT_FOUND, f"There is no free task for {user or 'you'}.", mend=LIST, code="NOT_FOUND")
    row = task_row(task)
    session.one(row, key="userTaskKey", text=f"Claimed {task.key} for {task.assignee}: {row['name']}")


@app.command()
@with_session
def unclaim(session: Session, key: Key, user: User = "", groups: Groups = "", action: Action = "") -> None:
    """Give a user task back.

    Example: osmia task unclaim 2251799813685256
    """
    with session.client(found_by=LIST) as client:
        task = _open_task(client, key, user, groups)
        client.user_tasks.unclaim(task.key, **acting(user, groups), action=action)
    _done(session, task.key, f"Gave {task.key} back")


@app.command()
@with_session
def assign(
    session: Session,
    key: Key,
    assignee: Annotated[str, typer.Argument(metavar="USER", help="Who gets the task.")],
    user: User = "",
    groups: Groups = "",
    action: Action = "",
) -> None:
    """Give a user task to a person, whoever has it.

    Example: osmia task assign 2251799813685256 anna
    """
    with session.client(found_by=LIST) as client:
        task = _open_task(client, key, user, groups)
        client.user_tasks.assign(task.key, assignee, **acting(user, groups), action=action)
    _done(session, task.key, f"Assigned {task.key} to {assignee}")


@app.command()
@with_session
def update(
    session: Session,
    key: Key,
    candidate_groups: Annotated[
        str | None, typer.Option("--candidate-groups", metavar="NAME,…", help="The candidate groups; empty for none.")
    ] = None,
    candidate_users: Annotated[
        str | None, typer.Option("--candidate-users", metavar="NAME,…", help="The candidate users; empty for none.")
    ] = None,
    due: Annotated[
        str | None,
        typer.Option(
            parser=as_date_time,
            metavar="TIME",
            help="When it is due: 2d, tomorrow, a date (its 08:00 UTC), a date-time; empty: never.",
        ),
    ] = None,
    follow_up: Annotated[
        str | None,
        typer.Option(
            "--follow-up", parser=as_date_time, metavar="TIME", help="The follow-up date, spelt as --due; empty: never."
        ),
    ] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=100, help="The priority.")] = None,
    user: User = "",
    groups: Groups = "",
    action: Action = "",
) -> None:
    """Change a user task. What is not named stays.

    Example: osmia task update 2251799813685256 --priority 80 --due 2030-01-31T12:00:00Z
    """
    given = {
        "candidateGroups": None if candidate_groups is None else names(candidate_groups),
        "candidateUsers": None if candidate_users is None else names(candidate_users),
        "dueDate": due,
        "followUpDate": follow_up,
        "priority": priority,
    }
    changeset = {name: value for name, value in given.items() if value is not None}
    if not changeset:
        raise usage("There is nothing to change.", f"osmia task update {key} --priority 80")
    with session.client(found_by=LIST) as client:
        task = _open_task(client, key, user, groups)
        client.user_tasks.update(task.key, changeset, **acting(user, groups), action=action)
    _done(session, task.key, f"Updated {task.key}")


@app.command()
@with_session
def complete(
    session: Session,
    key: Key,
    var: Var = None,
    vars: Vars = None,
    user: User = "",
    groups: Groups = "",
    action: Action = "",
    hold: Annotated[
        timedelta | None,
        typer.Option(
            parser=as_duration, metavar="DURATION", help="Complete it only then (at most 1m), unless it is undone."
        ),
    ] = None,
) -> None:
    """Complete a user task; the variables go to the process. At a terminal, each field of its form is asked for if none are given.

    Example: osmia task complete 2251799813685256 --var dinner=pizza
    """
    from osmia.errors import Unimplemented

    variables = typed.read(var, vars)
    with session.client(found_by=LIST) as client:
        try:
            task = _open_task(client, key, user, groups)
            if var is None and vars is None and session.may_ask:
                who = acting(user, groups)
                form = client.user_tasks.form(task.key, **who)
                now = client.user_tasks.variables(task.key, **who) if form else {}
                _say_unasked(session, unasked(form, now))
                variables = answers(form, now)
            hold_ms = milliseconds(hold) if hold else 0
            client.user_tasks.complete(task.key, variables, **acting(user, groups), action=action, hold_ms=hold_ms)
        except Unimplemented:  # a broker that is not Osmia has no lists, and user tasks are jobs there
            session.say("This broker has no lists, so it is not checked that the key is one of a user task.")
            client.complete_job(key, variables)
    held = f"Completing {key} in {spelt(hold)}; take it back: osmia task undo {key}" if hold else ""
    _done(session, key, held or f"Completed {key}")


def _say_unasked(session: Session, fields: list[Unasked]) -> None:
    """Name the fields of a form that a terminal cannot ask for.

    Raises:
        Failure: USAGE; the form needs one of them, and the task would be completed without it.
    """
    needed = [one.named for one in fields if one.is_required]
    if needed:
        raise usage(
            f"The form needs {', '.join(needed)}, which only the page asks for.",
            "--vars JSON   (all variables of the form; or complete it on the page)",
        )
    if fields:
        session.say(f"Not asked for here: {', '.join(one.named for one in fields)}. --vars JSON gives all variables.")


@app.command()
@with_session
def comment(
    session: Session,
    key: Key,
    text: Annotated[str, typer.Argument(help="The comment.")],
    user: User = "",
    groups: Groups = "",
) -> None:
    """Comment on a user task.

    Example: osmia task comment 2251799813685256 "Why not fish?" --user anna
    """
    with session.client(found_by=LIST) as client:
        task = _open_task(client, key, user, groups)
        client.user_tasks.comment(task.key, text, **acting(user, groups))
    _done(session, task.key, f"Commented {task.key}")


@app.command()
@with_session
def history(session: Session, key: Key, user: User = "", groups: Groups = "") -> None:
    """List what happened to a user task: who did what, who said what, and when.

    Example: osmia task history 2251799813685256
    """
    with session.client(found_by=LIST) as client:
        task_key, who = _task(client, key, user, groups).key, acting(user, groups)
        steps = client.user_tasks.history(task_key, **who)
        comments = client.user_tasks.comments(task_key, **who)
    rows = [
        {
            "timestamp": step.at,
            "operationType": step.operation,
            "actorId": step.user or None,
            "channel": step.channel or None,
            "action": step.action or None,
            "changes": ", ".join(f"{name}: {old!r} to {new!r}" for name, (old, new) in step.changes.items()) or None,
            "refusal": step.refusal or None,
        }
        for step in steps
    ]
    rows += [
        {
            "timestamp": moment(one.at_ms),
            "operationType": "COMMENT",
            "actorId": one.user or None,
            "channel": None,
            "action": None,
            "changes": one.text,
            "refusal": None,
        }
        for one in comments
    ]
    rows.sort(key=lambda row: str(row["timestamp"]))  # a step and a comment of one moment keep their order
    session.list(rows, HISTORY_COLUMNS, empty="Nothing has happened to this task.")


def _field(field: dict[str, Any]) -> str:
    return f"{field['key']} ({field['type'] or 'field'})  {field['label'] or ''}".rstrip()


def _pairs(variables: dict[str, Any]) -> list[str]:
    return [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in variables.items()]


@contextmanager
def _by_somebody(user: str, mend: str) -> Iterator[None]:
    """Explain the refusal of a claim by nobody. Only the broker knows who is signed in, so nothing is refused before."""
    from osmia.errors import InvalidArgument

    try:
        yield
    except InvalidArgument as error:
        if user.strip() or NOBODY not in error.details:
            raise
        raise usage("A task is claimed for somebody, and nobody is named.", mend) from error


def _open_task(client: "SyncClient", key: int, user: str, groups: str) -> "UserTask":
    """Return a user task that has not ended.

    Raises:
        Failure: it was never there, or it has ended, which is the wrong state for what is asked.
    """
    task = _task(client, key, user, groups)
    if task.completion_date:
        what = f"Task {key} is {task.state.lower()} already."
        raise Failure(Exit.CONFLICT, what, mend=LIST, code="FAILED_PRECONDITION")
    return task


def _claimed_already(client: "SyncClient", key: int, user: str, groups: str, sentence: str) -> Failure | None:
    """Return the failure of a claim that came too late; None if the claim was refused for another reason."""
    holder = client.user_tasks.get(key, **acting(user, groups)).assignee
    if not holder or holder == user:
        return None
    return Failure(
        Exit.CONFLICT,
        f"Task {key} is already claimed by {holder}.",
        why=sentence,
        mend=f"osmia task assign {key} {shlex.quote(user)}   (takes it over)",
        code="FAILED_PRECONDITION",
    )


def _done(session: Session, key: int, text: str) -> None:
    session.one({"userTaskKey": str(key)}, key="userTaskKey", text=text)


def _task(client: "SyncClient", key: int, user: str, groups: str) -> "UserTask":
    """Return a user task by its key, or by the key of its job, for the person who acts.

    The job of a service task is none: to complete it would skip the work of its worker.

    Raises:
        Failure: NOT_FOUND.
    """
    from osmia import USER_TASK_TYPE
    from osmia.errors import NotFound

    try:
        return client.user_tasks.get(key, **acting(user, groups))
    except NotFound:
        found = client.search_jobs(key=key).items
    if not found:
        raise Failure(Exit.NOT_FOUND, f"There is no task with key {key}.", mend=LIST, code="NOT_FOUND")
    job = found[0]
    if job.type != USER_TASK_TYPE:
        raise Failure(
            Exit.NOT_FOUND,
            f"{key} is no user task, but a job of type '{job.type}' for a worker.",
            mend=f"osmia job complete {key}   (does the worker's part by hand)",
            code="NOT_FOUND",
        )
    readable = client.user_tasks.search(
        {"elementInstanceKey": str(job.element_instance_key)}, **acting(user, groups)
    ).items
    if not readable:
        raise Failure(
            Exit.NOT_FOUND, f"There is no task with key {key} that you may read.", mend=LIST, code="NOT_FOUND"
        )
    return readable[0]


task_lists.add_to(app)  # behind those of every day
task_proposals.add_to(app)
