"""List the commands, carry out one call of `osmia`, and turn each failure into an exit code.

A command's module is imported when that command is called or listed by `--help`. No module imports a server, a database
driver or gRPC before its command runs; tests/cli/test_start.py checks this.
"""

import importlib
from functools import cache, partial
from typing import Annotated, Any

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]  # documented, not in __all__
from typer.core import TyperGroup

from osmia_broker import __version__
from osmia_broker.base.edits import nearest
from osmia_broker.cli import streams
from osmia_broker.cli.failures import Exit, Failure, carried_out, usage
from osmia_broker.cli.familiar import translated
from osmia_broker.cli.help_text import write_help
from osmia_broker.cli.misuse import misuse, refuse_empty_words, refused_value
from osmia_broker.cli.session import (
    EVERYWHERE,
    OPTIONS,
    AccessToken,
    Address,
    Fields,
    Form,
    NoColor,
    ProfileName,
    Quiet,
    Timeout,
    Verbose,
    Yes,
)

#: Each command, a module of `commands` too, with its line of the help; without text, it shares the line above.
COMMANDS = {
    "demo": "Show a broker, a process and a person's task in a minute",
    "broker": "Run the broker in the foreground, until SIGTERM or Ctrl-C",
    "deploy": "Deploy BPMN, DMN and form files: all of them or none",
    "lint": "Check such files here, without a broker",
    "start": "Start a process instance and print its key",
    "run": "Deploy a file, start its process and follow the instance",
    "tasks": "List the tasks that wait for people",
    "task": "One task: show, claim, next, assign, complete, comment …",
    "instances": "List process instances",
    "instance": "One instance: show, variables, modify, migrate, cancel …",
    "processes": "List deployed processes",
    "process": "One process; one deployed file; one document",
    "resource": "",
    "document": "",
    "jobs": "List jobs; pause, resume and limit those of a type",
    "job": "One job, as a worker: activate, complete, fail, retries …",
    "work": "Be a worker: run a program for each job; list the workers",
    "workers": "",
    "incidents": "List open incidents; one of them: show, resolve",
    "incident": "",
    "batches": "One command for many things: list, begin, follow, stop",
    "batch": "",
    "timers": "List timers that wait",
    "subscriptions": "List events that wait for messages, signals and conditions",
    "messages": "List; publish, broadcast, evaluate",
    "message": "",
    "signal": "",
    "condition": "",
    "decision": "One decision: evaluate, evaluations, delete",
    "cluster-variable": "Kept for all processes: list, create …",
    "task-listener": "",
    "events": "List what happens; who did what; any list of REST",
    "audit": "",
    "items": "",
    "status": "Show version, partitions, queues; exit 0 only when healthy",
    "user": "Users, and brokers by name; sign in, sign out",
    "profile": "",
    "login": "",
    "logout": "",
    "backup": "Copy data while the broker runs; put it back; verify",
    "restore": "",
    "check": "",
    "mcp": "Serve agents by the Model Context Protocol",
    "feel": "Evaluate a FEEL expression, here or at a broker",
    "bench": "Measure a broker with a load of process instances",
    "config": "Settings: show, schema; the completion script of a shell",
    "completion": "",
}
HEAD = "A broker for work that waits, mostly for people. Begin with `osmia demo`."
#: Words that are commands of other programs, and what says the same here.
OTHER_WORDS = {
    "help": "osmia --help",
    "version": "osmia --version",
    "list": "osmia tasks, osmia instances or osmia processes",
    "ls": "osmia tasks, osmia instances or osmia processes",
    "ps": "osmia instances",
    "info": "osmia status",
    "health": "osmia status",
    "logs": "osmia events",
    "serve": "osmia broker",
    "server": "osmia broker",
    "stop": "Ctrl-C where the broker runs, or `kill` with the number of its process; it ends cleanly",
    "create": "osmia start PROCESS_ID",
    "validate": "osmia lint FILE",
}


class Commands(TyperGroup):
    """The commands of `osmia`. Each is imported at its first use."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return list(COMMANDS)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: every command with one line, then the options. It fits one screen of 80 columns and 45 lines."""
        width = max(map(len, COMMANDS))
        options = [record for one in self.get_params(ctx) if (record := one.get_help_record(ctx))]
        column = max(len(names) for names, _ in options)
        lines = [
            "Usage: osmia COMMAND [OPTIONS]      osmia COMMAND --help has examples",
            HEAD,
            *(f"  {names:<{width}}  {about}" for names, about in _summaries()),
            "",
            "Options of every command:",
            *(f"  {names:<{column}}  {about}" for names, about in options),
        ]
        formatter.write("\n".join(lines) + "\n")

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of that name, or `None`."""
        return _command(cmd_name) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that *args* begin with. A misspelt one is refused with the nearest."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = nearest(args[0], COMMANDS)
            mend = OTHER_WORDS.get(args[0]) or _with_noun(args[0]) or (f"osmia {near}" if near else "osmia --help")
            raise Failure(Exit.USAGE, f"There is no command '{args[0]}'.", mend=mend, code="USAGE")
        return super().resolve_command(ctx, args)


def _module_of(name: str) -> Any:
    return importlib.import_module(f"osmia_broker.cli.commands.{name.replace('-', '_')}")


@cache
def _command(name: str) -> Any:
    """Return the command of that name, with those below it. One call may ask for it several times."""
    command = _dressed(typer.main.get_command(_module_of(name).app))
    command.name = name
    return command


def _with_noun(verb: str) -> str:
    """Return the commands that have *verb* behind their noun: `claim` is that of `osmia task claim`. Empty if none has."""
    nouns = [name for name in COMMANDS if verb in getattr(_command(name), "commands", {})]
    return " or ".join(f"osmia {noun} {verb}" for noun in nouns)


def _summaries() -> list[tuple[str, str]]:
    """Return the lines of the help: one command, or several that share a line, and what they do."""
    lines: list[tuple[str, str]] = []
    for name, about in COMMANDS.items():
        if about:
            lines.append((name, about))
        else:
            names, shared = lines.pop()
            lines.append((f"{names}, {name}", shared))
    return lines


def _dressed(command: Any) -> Any:
    """Let *command* and those below it write their help, and refuse empty words, as all do."""
    command.format_help = partial(write_help, command)
    refuse_empty_words(command)
    for one in getattr(command, "commands", {}).values():
        _dressed(one)
    return command


app = typer.Typer(
    cls=Commands,
    name="osmia",
    add_completion=False,
    rich_markup_mode="rich",
    no_args_is_help=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"osmia {__version__}")
        raise typer.Exit


completion_init()  # without it no shell gets an answer: `add_completion=False` leaves the shells out, not only two options


@app.callback(invoke_without_command=True)
def osmia(
    context: typer.Context,
    address: Address = None,
    token: AccessToken = None,
    profile: ProfileName = None,
    output: Form = None,
    timeout: Timeout = None,
    quiet: Quiet = False,
    yes: Yes = False,
    no_color: NoColor = False,
    fields: Fields = None,
    verbose: Verbose = 0,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option(
            "--version", "-V", is_eager=True, callback=_version, help="Print the version.", rich_help_panel=EVERYWHERE
        ),
    ] = False,
) -> None:
    """A broker for work that waits, mostly for people. `osmia demo` shows it in a minute."""
    given = dict(
        zip(OPTIONS, (address, token, profile, output, timeout, quiet, yes, no_color, fields, verbose), strict=True)
    )
    context.obj = {name: value for name, value in given.items() if value}
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def run(arguments: list[str]) -> int:
    """Carry out one call and return its exit code. A failure has then been reported on stderr."""
    said = translated(arguments)
    return carried_out(lambda: _called(said), said)


def _called(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        "".join(arguments).encode()
        ended = command.main(arguments, prog_name="osmia", complete_var=COMPLETE_VARIABLE, standalone_mode=False)
    except UnicodeEncodeError as error:
        raise usage("Expected arguments in UTF-8, but found bytes that are not.") from error
    except typer.Abort:
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        message = error.format_message()
        if message.startswith("Usage: "):  # a command without its verb: Typer gives the help of the command
            streams.say(message.rstrip())
            return Exit.USAGE
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else _path(command, arguments)
        raise misuse(message, context, path, arguments, COMMANDS, value=refused_value(error)) from error
    except SystemExit as exit:
        if isinstance(exit.__context__, BrokenPipeError):  # Typer's way to end when the reader of the output has left
            return Exit.DONE
        raise
    return ended if isinstance(ended, int) else Exit.DONE


def _path(command: Any, arguments: list[str]) -> str:
    """Return the words of the command that *arguments* name: Typer does not say where an option without its value stands."""
    words, nouns = ["osmia"], COMMANDS.keys()
    for one in arguments:
        if one in nouns:
            words.append(one)
            command = command.get_command(None, one)
            nouns = getattr(command, "commands", {}).keys()
    return " ".join(words)


COMPLETE_VARIABLE = "_OSMIA_COMPLETE"  # set by the completion scripts
