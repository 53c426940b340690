"""Arguments and options that several commands have, so that they read the same everywhere."""

from typing import Annotated

import typer

Key = Annotated[int, typer.Argument(metavar="KEY", min=1, help="The key, as the list shows it.")]
Var = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="NAME=VALUE", help="A variable; NAME:=JSON and NAME==TEXT say which it is."),
]
Vars = Annotated[str | None, typer.Option("--vars", metavar="JSON", help="All variables; @FILE and - read them.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many; 0 lists all.")]
Process = Annotated[str, typer.Option("--process", "-p", metavar="ID", help="Only of this process.")]
