"""Turn a wrong option or argument that Typer has found into a sentence, and into the command that was probably meant."""

import re
import shlex
from collections.abc import Callable
from functools import partial
from typing import Any

import typer

from osmia_broker.base.edits import nearest
from osmia_broker.cli.failures import Failure, usage

LISTS = {"task": "tasks", "process": "processes"}  #: the list of a noun, where it is not the noun with an s
#: By command: an option of other programs, or of another command, and the words that say it here.
MEANT: dict[str, dict[str, str]] = {
    "osmia tasks": {"--candidate-group": "--group"},
    "osmia instances": {"--instance": "--parent"},
    "osmia message publish": {"--key": "--correlation-key", "--time-to-live": "--ttl"},
    "osmia job throw-error": {"--code": "KEY CODE", "--error-code": "KEY CODE"},
    "osmia job retries": {"--number": "--retries"},
    "osmia broker": {"--bind": "--host", "--listen": "--host", "--port": "--grpc-port", "--data": "--data-dir"},
    "osmia demo": {"--data-dir": "--keep", "--port": "--port-base"},
    "osmia task complete": {"--variables": "--vars"},
}
MEANT_EVERYWHERE = {
    "--format": "--output",
    "--json": "--output json",
    "--host": "--address",
    "--server": "--address",
    "--variable": "--var",
    "--variables": "--vars",
    "--silent": "--quiet",
}
#: By command: the words that say a surplus argument; `{}` is the argument.
EXTRA = {
    "osmia message publish": "osmia message publish NAME --correlation-key {}",
    "osmia signal broadcast": "osmia signal broadcast NAME --var NAME=VALUE",
    "osmia start": "osmia start PROCESS_ID --var NAME=VALUE",
    "osmia task complete": "osmia task complete KEY --var NAME=VALUE",
}


def _missing(found: "re.Match[str]") -> str:
    return f"Expected {found[1].upper()}, but found no more words."


def _choices(found: "re.Match[str]") -> str:
    option, value, choices = found.groups()
    return f"Expected {option} to be one of {choices.replace(chr(39), '')}, but found '{value}'."


def _empty(found: "re.Match[str]") -> str:
    name = found[1]
    return f"Expected {f'a value behind {name}' if name.startswith('-') else name.upper()}, but found an empty word."


def _no_command(found: "re.Match[str]") -> str:
    name, meant = found.groups()
    return f"There is no command {name}.{meant.replace(', ', ' or ')}"


EMPTY = "an empty word"
NARROWING = {"process", "type"}  #: options that say which of all; an empty word behind them would stand for all
CHOICE = re.compile(r"^Invalid value for '([^']+)'(?: / '-\w')?: Value error, '(.*)' is not one of (.*?)\.?$")
BRACKETED = re.compile(r"(?<=for )'\[([\w-]+)\]'")  #: an argument that may be left out
EXAMPLE = re.compile(r"^Invalid value for '([^']+)'(?: / '-\w')?: Expected .* such as (\S+?),? .*but found '(.*)'$")
#: What Typer and its parsers say, and the sentence for a person.
SENTENCES = (
    (re.compile(rf"^Invalid value for '([^'.]+)(?:\.\.\.)?'(?: / '-\w')?: {EMPTY}$"), _empty),
    (CHOICE, _choices),
    (
        re.compile(r"^Invalid value for '([^']+)'(?: / '-\w')?: Input should be a valid integer.*$"),
        r"Expected \1 to be a whole number.",
    ),
    (re.compile(r"^Invalid value for '([^']+)'(?: / '-\w')?: Input should be ([^,]*).*$"), r"Expected \1 to be \2."),
    (re.compile(r"^Invalid value for '([^']+)'(?: / '-\w')?: Expected (.*)$"), r"Expected \1 to be \2."),
    (re.compile(r"^No such option: (\S+).*$"), r"There is no option '\1'."),
    (re.compile(r"^Option '([^']+)' requires an argument\.$"), r"Expected a value behind \1, but found none."),
    (re.compile(r"^Missing option '([^']+)'.*$"), r"Expected the option \1, but found none."),
    (re.compile(r"^Missing argument '([^']+)'.*$"), _missing),
    (re.compile(r"^No such command (\S+)\.(.*)$"), _no_command),
    (re.compile(r"^Got unexpected extra arguments?(?:\(s\))? \((.*)\)$"), r"There is no place for '\1'."),
)
UNKNOWN_OPTION = re.compile(r"^No such option: ([^\s.]+)")
SURPLUS = re.compile(r"^Got unexpected extra arguments?(?:\(s\))? \((\S+?)(?: .*)?\)$")
SEVERAL = re.compile(r"^Expected (\S+?)\.\.\. to be ")  # an argument that may stand several times
NO_KEY = re.compile(r"^(?:Missing argument|Invalid value for) 'KEY(?:\|ID)?(?:\.\.\.)?'")


def refuse_empty_words(command: Any) -> None:
    """Let *command* refuse an empty word that says what it is about: `osmia process delete "$ID"`, where ID has never been set.

    It would stand for any process, or for the directory at hand. What is behind `--` are words of another program.
    """
    for one in command.params:
        is_argument = one.param_type_name == "argument" and not (one.metavar or "").startswith("-- ")
        if is_argument or one.name in NARROWING:
            one.process_value = partial(_processed, one, one.process_value)


def _processed(parameter: Any, process: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    processed = process(context, value)  # first of all: what must be a number says so itself
    is_typed = context.get_parameter_source(parameter.name).name == "COMMANDLINE"
    if is_typed and "" in (value if isinstance(value, list | tuple) else [value]):
        raise typer.BadParameter(EMPTY, ctx=context, param=parameter)
    return processed


def refused_value(error: Exception) -> str | None:
    """Return the word that the parser of an argument refused; None if *error* is about something else."""
    faults = getattr(error.__cause__, "errors", None)
    return str(faults()[0]["input"]) if faults is not None else None


def misuse(
    message: str, context: Any, path: str, arguments: list[str], commands: dict[str, str], *, value: str | None = None
) -> Failure:
    """Return the failure for *message*, which Typer gives about the command *path*, in *context* if it knows one.

    *arguments* are the typed words, *commands* are all of `osmia`. *value* is the word that was refused.
    """
    message = BRACKETED.sub(r"'\1'", message)
    mend = _meant(message, context, path) or f"{path} --help"
    noun = path.removeprefix("osmia").strip().split(" ")[0]
    wanted = LISTS.get(noun, f"{noun}s")
    if wanted in commands and message.startswith("No such command 'list'"):
        mend = f"osmia {wanted}"
    elif wanted in commands and NO_KEY.match(message):
        mend = f"osmia {wanted}   (it lists the keys)"
    elif choice := CHOICE.match(message):
        mend = _chosen(path, *choice.groups())
    elif example := EXAMPLE.match(message):
        mend = _exemplary(arguments, *example.groups())
    for form, sentence in SENTENCES:
        message = form.sub(sentence, message)
    message = SEVERAL.sub(r"Expected \1 to be ", message)
    if value is not None and message.startswith("Expected ") and ", but found" not in message:
        found = f"'{value}'" if value else "an empty word"
        message = f"{message.removesuffix('.')}, but found {found}."
    return usage(message, mend)


def _chosen(path: str, name: str, value: str, choices: str) -> str:
    """Return the command with the choice that *value* is nearly, or with the first."""
    words = re.findall(r"'([^']+)'", choices)
    near = nearest(value, words) or words[0]
    return f"{name} {near}" if name.startswith("-") else f"{path} {near}"


def _exemplary(arguments: list[str], name: str, example: str, value: str) -> str:
    """Return the typed command with *example* in the place of *value*, which the option or argument *name* does not take."""
    if name.startswith("-"):
        return f"{name} {example}"
    words = list(arguments)
    words[len(words) - 1 - words[::-1].index(value)] = example
    return shlex.join(["osmia", *words])


def _meant(message: str, context: Any, path: str) -> str:
    """Return the command that was probably meant; empty if nothing is near."""
    if context is None:
        return ""
    if surplus := SURPLUS.match(message):
        return EXTRA.get(path, "").format(surplus[1])
    unknown = UNKNOWN_OPTION.match(message)
    if unknown is None:
        return ""
    own = {name: one for one in context.command.params for name in getattr(one, "opts", ()) if name.startswith("--")}
    synonyms = MEANT_EVERYWHERE | MEANT.get(path, {})
    near = nearest(unknown[1], [*synonyms, *own], likeness=0.7)
    if not near:
        return ""
    words = near if near in own else synonyms[near]
    option = own.get(words)
    if words.startswith("--") and option is None and words.split(" ")[0] not in own:
        return ""  # this command has no such option
    value = "" if option is None or getattr(option, "is_flag", False) else option.metavar or option.name.upper()
    return f"{path} {words} {value}".rstrip()
