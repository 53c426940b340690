"""Which commands there are, and how a call of `osmia` ends.

A command's module is imported when that command is called (or listed by `--help`); none of them imports a server, a database
driver or gRPC before it does its work. tests/cli/test_start.py holds them to it.
"""

import importlib
import sys
import traceback
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from osmia_broker import __version__
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.session import OPTIONS, Address, Form, NoColor, Quiet, Timeout, Yes

COMMANDS = {
    "demo": "demo",
    "broker": "broker",
    "deploy": "deploy",
    "start": "start",
    "tasks": "tasks",
    "task": "task",
    "instances": "instances",
    "instance": "instance",
    "processes": "processes",
    "jobs": "jobs",
    "job": "job",
    "incidents": "incidents",
    "incident": "incident",
    "status": "status",
    "feel": "feel",
    "bench": "bench",
    "completion": "completion",
}  #: the word a person types, in the order of the help, and the module it lives in


class Commands(TyperGroup):
    """The commands of `osmia`, each imported at its first use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or `None`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"osmia_broker.cli.{COMMANDS[cmd_name]}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that *args* begin with; a misspelt one is refused with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            mend = f"osmia {near[0]}" if near else "osmia --help"
            raise Failure(Exit.USAGE, f"There is no command '{args[0]}'.", mend=mend, code="USAGE")
        return super().resolve_command(ctx, args)


app = typer.Typer(cls=Commands, name="osmia", add_completion=False, rich_markup_mode="rich", no_args_is_help=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"osmia {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def osmia(
    context: typer.Context,
    address: Address = None,
    output: Form = None,
    timeout: Timeout = None,
    quiet: Quiet = False,
    yes: Yes = False,
    no_color: NoColor = False,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Say which.")
    ] = False,
) -> None:
    """A broker for work that waits, mostly for people. [bold]osmia demo[/bold] shows it in a minute."""
    given = dict(zip(OPTIONS, (address, output, timeout, quiet, yes, no_color), strict=True))
    context.obj = {name: value for name, value in given.items() if value}
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: list[str]) -> int:
    """Carry out one call; the exit code says how it ended, and whatever failed has been told on stderr."""
    command = typer.main.get_command(app)
    try:
        ended = command.main(arguments, prog_name="osmia", complete_var="_OSMIA_COMPLETE", standalone_mode=False)
    except Failure as failure:
        return _tell(failure, arguments)
    except typer.Abort:
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        return _tell(_misuse(error), arguments)
    except Exception as error:  # noqa: BLE001 - the last door: a script must see 70, a person what to report
        traceback.print_exc()
        return _tell(Failure(Exit.DEFECT, f"A defect in Osmia: {type(error).__name__}: {error}"), arguments)
    return ended if isinstance(ended, int) else Exit.DONE


def _misuse(error: "typer.TyperException") -> Failure:
    """A wrong option or argument, as Typer found it."""
    context = getattr(error, "ctx", None)
    mend = f"{context.command_path} --help" if context is not None else "osmia --help"
    return Failure(Exit.USAGE, error.format_message(), mend=mend, code="USAGE")


def _tell(failure: Failure, arguments: list[str]) -> int:
    wants_json = any(
        option == "--output=json" or (option in ("-o", "--output") and value == "json")
        for option, value in zip(arguments, [*arguments[1:], ""], strict=True)
    )
    sys.stderr.write((failure.json() if wants_json else failure.text()) + "\n")
    return failure.exit
