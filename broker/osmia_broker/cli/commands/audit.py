"""`osmia audit`: list who did what, and what was refused."""

from typing import Annotated

import typer

from osmia_broker.cli.item_lists import Filter, filter_in, listed, together
from osmia_broker.cli.options import Groups, Instance, Limit, Process, User, acting
from osmia_broker.cli.output import Column
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)

COLUMNS = (
    Column("auditLogKey", "KEY"),
    Column("timestamp", "WHEN", is_moment=True),
    Column("actorId", "WHO"),
    Column("operationType", "DID"),
    Column("entityType", "TO"),
    Column("entityDescription", "NAME", is_long=True),
    Column("entityKey", "OF", is_wide=True),
    Column("processDefinitionId", "PROCESS", is_long=True),
    Column("processInstanceKey", "INSTANCE", is_wide=True),
    Column("result", "RESULT"),
    Column("refusal", "WHY", is_wide=True),
    Column("channel", "BY", is_wide=True),
)


@app.command()
@with_session
def audit(
    session: Session,
    who: Annotated[str, typer.Option(metavar="NAME", help="Only what this person did.")] = "",
    did: Annotated[str, typer.Option(metavar="OPERATION", help="Only this: CANCEL, SUSPEND, ASSIGN …")] = "",
    to: Annotated[str, typer.Option(metavar="KIND", help="Only to these: PROCESS_INSTANCE, USER_TASK …")] = "",
    instance: Instance = 0,
    process: Process = "",
    is_refused: Annotated[bool, typer.Option("--refused", help="Only what was refused.")] = False,
    filter: Filter = "",
    user: User = "",
    groups: Groups = "",
    limit: Limit = 50,
) -> None:
    """List who did what, newest first: creations, changes, suspensions, batches, user tasks. --filter takes every other field.

    Example: osmia audit --did CANCEL --who anna
    """
    wanted = {
        "actorId": who,
        "operationType": did.upper(),
        "entityType": to.upper(),
        "processInstanceKey": str(instance or ""),
        "processDefinitionId": process,
        "result": "FAIL" if is_refused else "",
    }
    asked = together(wanted, filter_in(filter) or {})
    with session.client() as client:
        rows = listed(
            session, client, "audit-logs", asked, ["-timestamp", "-auditLogKey"], limit, **acting(user, groups)
        )
    session.list(rows, COLUMNS, empty="No such entries.")
