"""`osmia completion`: print the script that makes a shell complete commands and options."""

from enum import StrEnum
from typing import Annotated

import typer

from osmia_broker.base.surroundings import own_shell
from osmia_broker.cli.failures import usage

app = typer.Typer(add_completion=False)


class Shell(StrEnum):
    """The shells that Typer can complete in."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


#: The command that lets a shell complete from its next start on.
USES = {
    Shell.BASH: "osmia completion bash > ~/.local/share/bash-completion/completions/osmia",
    Shell.ZSH: 'osmia completion zsh > "${fpath[1]}/_osmia"',
    Shell.FISH: "osmia completion fish > ~/.config/fish/completions/osmia.fish",
    Shell.POWERSHELL: "osmia completion powershell >> $PROFILE",
}


#: zsh reads a script in a folder of fpath as the body of `_osmia` when the first word is completed, and that word is to be completed too.
ZSH_FIRST = '[[ "$funcstack[1]" == _osmia ]] && _osmia_completion "$@"\ntrue'


@app.command()
def completion(
    shell: Annotated[Shell | None, typer.Argument(metavar="SHELL", help="The shell.")] = None,
) -> None:
    """Print the completion script for a shell.

    Example: osmia completion bash > ~/.local/share/bash-completion/completions/osmia
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # documented, not in __all__

    from osmia_broker.cli.app import COMPLETE_VARIABLE

    if shell is None:
        used = own_shell()
        raise usage(
            f"Expected a shell, one of {', '.join(Shell)}, but found no more words.",
            USES[Shell(used) if used in (*Shell,) else Shell.BASH],
        )
    script = get_completion_script(prog_name="osmia", complete_var=COMPLETE_VARIABLE, shell=shell)
    typer.echo(f"{script}\n{ZSH_FIRST}" if shell is Shell.ZSH else script)
