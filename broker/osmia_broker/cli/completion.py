"""`osmia completion`: print the script that makes a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    """The shells that Typer can complete in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print the completion script for a shell.

    Example: osmia completion bash > ~/.local/share/bash-completion/completions/osmia
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # documented, not in __all__

    from osmia_broker.cli.app import COMPLETE_VARIABLE

    typer.echo(get_completion_script(prog_name="osmia", complete_var=COMPLETE_VARIABLE, shell=shell))
