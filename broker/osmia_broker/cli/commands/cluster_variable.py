"""`osmia cluster-variable`: list, show, create, update and delete the variables that every expression can read."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from osmia_broker.cli import offers
from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import usage
from osmia_broker.cli.options import Limit
from osmia_broker.cli.output import Column, Output, Row
from osmia_broker.cli.rows import every, first
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia.calls.cluster_variables import ClusterVariable

app = typer.Typer(
    add_completion=False,
    help="A variable that every expression can read as camunda.vars.cluster.NAME: list, show, create, update, delete.",
    no_args_is_help=True,
)

LIST = "osmia cluster-variable list"
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
COLUMNS = (Column("name", "NAME"), Column("value", "VALUE", is_long=True), Column("metadata", "METADATA", is_long=True))

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="1 to 256 characters.", autocompletion=offers.cluster_variables)
]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="JSON, or else a text.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="NAME=VALUE", help="A text or a number that stands beside it.")
]


@app.command("list")
@with_session
def list_(
    session: Session,
    name: Annotated[str, typer.Option(metavar="NAME", help="Only names of this form; * is any text.")] = "",
    limit: Limit = 50,
) -> None:
    """List cluster variables by name.

    Example: osmia cluster-variable list --name 'limit-*'
    """
    with session.client() as client:
        found = every(client.cluster_variables.search, name_like=name)
        rows = [_row(one) for one in first(session, found, limit)]
    if session.output in (Output.TABLE, Output.WIDE, Output.CSV):
        rows = [{**row, "value": _text(row["value"]), "metadata": _text(row["metadata"])} for row in rows]
    session.list(rows, COLUMNS, empty="No such cluster variables." if name else "No cluster variables.")


@app.command()
@with_session
def show(session: Session, name: Name) -> None:
    """Show a cluster variable; as a text, its value alone.

    Example: osmia cluster-variable show limit
    """
    with session.client(found_by=LIST) as client:
        found = client.cluster_variables.get(name)
    session.one(_row(found), key="name", text=_text(found.value))


@app.command()
@with_session
def create(session: Session, name: Name, value: Value, metadata: Metadata = None) -> None:
    """Create a cluster variable.

    Example: osmia cluster-variable create limit 500 --meta owner=anna
    """
    with session.client(found_by=LIST) as client:
        made = client.cluster_variables.create(name, typed.either(value), metadata=_metadata(metadata))
    session.one(_row(made), key="name", text=f"Created {name}")


@app.command()
@with_session
def update(session: Session, name: Name, value: Value, metadata: Metadata = None) -> None:
    """Give a cluster variable another value. Without --meta, what stands beside it stays.

    Example: osmia cluster-variable update limit 600
    """
    with session.client(found_by=LIST) as client:
        made = client.cluster_variables.update(name, typed.either(value), metadata=_metadata(metadata))
    session.one(_row(made), key="name", text=f"Updated {name}")


@app.command()
@with_session
def delete(session: Session, name: Name) -> None:
    """Delete a cluster variable. Expressions that read it get null from then on.

    Example: osmia cluster-variable delete limit --yes
    """
    session.confirm(f"Delete the cluster variable '{name}'? Expressions that read it get null.")
    with session.client(found_by=LIST) as client:
        client.cluster_variables.delete(name)
    session.one({"name": name}, key="name", text=f"Deleted {name}")


def _row(found: "ClusterVariable") -> Row:
    return {"name": found.name, "value": found.value, "metadata": found.metadata}


def _metadata(given: list[str] | None) -> dict[str, Any] | None:
    """Return the metadata of `--meta`; None without any. What is no number is a text.

    Raises:
        Failure: USAGE; one has not the form NAME=VALUE.
    """
    found: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (equals and name.strip()):
            raise usage(f"Expected --meta NAME=VALUE, but found '{text}'.", "--meta owner=anna")
        found[name] = typed.either(value) if NUMBER.fullmatch(value) else value
    return found or None


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()
