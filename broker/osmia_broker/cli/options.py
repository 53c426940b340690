"""Define the arguments and options that several commands share, so that they read the same everywhere."""

from typing import Annotated, Any

import typer

from osmia_broker.base.whole_numbers import INT32_MAX, INT64_MAX
from osmia_broker.cli import offers

Key = Annotated[
    int,
    typer.Argument(
        metavar="KEY", min=1, max=INT64_MAX, help="The key, as the list shows it.", autocompletion=offers.keys
    ),
]
Keys = Annotated[
    list[int],
    typer.Argument(
        metavar="KEY...", min=1, max=INT64_MAX, help="The keys, as the list shows them.", autocompletion=offers.keys
    ),
]
Instance = Annotated[
    int,
    typer.Option(
        metavar="KEY",
        min=0,
        max=INT64_MAX,
        help="Only of this process instance.",
        show_default=False,
        autocompletion=offers.instance_keys,
    ),
]
Var = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A variable; NAME:=JSON must be JSON, NAME==TEXT is text."),
]
Vars = Annotated[str | None, typer.Option("--vars", metavar="JSON", help="All variables; @FILE and - read them.")]
WithHistory = Annotated[bool, typer.Option("--history", help="Delete its ended instances, or its evaluations, too.")]
Limit = Annotated[int, typer.Option(min=0, max=INT32_MAX, help="List at most this many; 0 lists all.")]
Process = Annotated[
    str,
    typer.Option("--process", "-p", metavar="ID", help="Only of this process.", autocompletion=offers.process_ids),
]
JobType = Annotated[str, typer.Argument(metavar="TYPE", help="The job type.", autocompletion=offers.job_types)]
OfJobType = Annotated[
    str,
    typer.Option("--type", "-t", metavar="TYPE", help="Only of this job type.", autocompletion=offers.job_types),
]
Element = Annotated[str, typer.Option("--element", metavar="ID", help="Only of this element.")]
CorrelationKey = Annotated[
    str, typer.Option("--correlation-key", "-k", metavar="TEXT", help="Only with this correlation key.")
]
User = Annotated[
    str, typer.Option("--user", "-u", metavar="NAME", envvar="OSMIA_USER", help="Who acts, while there is no sign-in.")
]
Groups = Annotated[
    str,
    typer.Option(metavar="NAME,…", envvar="OSMIA_GROUPS", help="The groups of who acts, while there is no sign-in."),
]
Action = Annotated[str, typer.Option(metavar="TEXT", help="A word for the task's history.")]
BusinessId = Annotated[str, typer.Option(metavar="TEXT", help="Only for the instance with this business id.")]


def acting(user: str, groups: str) -> dict[str, Any]:
    """Return the acting person as the calls of the SDK take it."""
    return {"user": user, "groups": names(groups)}


def names(text: str) -> list[str]:
    """Return the names in a list that is separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
