"""Write the help of one command: its usage, what it does, an example, then its arguments and options a line each.

An example is never broken, so that it can be copied. The options that every command has are named once, in `osmia --help`.
"""

import re
import shutil
import textwrap
from collections.abc import Iterable
from typing import Any

from osmia_broker.cli.session import EVERYWHERE

WIDTH_MAX = 100  # longer lines are hard to read
NAMES_WIDTH_MAX = 26  # a longer name has its text on the next line
GAP = 2
LIMIT = re.compile(r"^(-?\d+<=x(<=\d{10,})?|x>=0)$")  # the limits of keys and of 32-bit numbers help nobody
CHOICES = re.compile(r"<([^<>]+\|[^<>]+)>")
#: Typer's words for values that have no word of their own, and ours.
VALUES = (
    (re.compile(r"<(int|float)( range)?>"), "NUMBER"),
    (re.compile(r"<(str|list\[str\])>"), "TEXT"),
    (re.compile(r"<path>"), "FILE"),
    (CHOICES, r"\1"),
)
SMALL_LIMIT = re.compile(r"^(-?\d+)<=x<=(\d+)$")


def write_help(command: Any, context: Any, formatter: Any) -> None:
    """Write the help of *command*, a command of Typer or a group of them."""
    width = min(shutil.get_terminal_size().columns, WIDTH_MAX)
    shared = {one.name: one.help for one in context.find_root().command.params}
    arguments, options, common = [], [], []
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":
            arguments.append((parameter, _about(parameter, context)))
        elif parameter.hidden:
            continue
        elif parameter.rich_help_panel == EVERYWHERE and parameter.help == shared.get(parameter.name):
            common.append(min(parameter.opts, key=len))
        else:
            options.append((_names(parameter, context), _about(parameter, context)))
    text = "\n\n".join(filter(None, (command.help or "", _example(command, context))))
    lines = [_usage(command, context, [one for one, _ in arguments]), "", *_description(text, width)]
    lines += _section("Arguments", [(_word(one), about) for one, about in arguments], width)
    lines += _section("Commands", list(_commands(command, context)), width)
    lines += _section("Options", options, width)
    if common:
        lines += ["", *textwrap.wrap(f"{EVERYWHERE}, as `osmia --help` has them: {', '.join(common)}", width)]
    formatter.write("\n".join(lines) + "\n")


def _usage(command: Any, context: Any, arguments: list[Any]) -> str:
    words = ["COMMAND"] if hasattr(command, "list_commands") else []
    words += [_word(one) if one.required else f"[{_word(one)}]" for one in arguments]
    return " ".join(["Usage:", context.command_path, "[OPTIONS]", *words])


def _word(argument: Any) -> str:
    return str(argument.metavar or argument.name.upper()).strip("[]")


def _example(group: Any, context: Any) -> str:
    """Return the example of the first of the group's commands that has one; empty for a command, which has its own."""
    names = group.list_commands(context) if hasattr(group, "list_commands") else ()
    texts = (group.get_command(context, name).help or "" for name in names)
    return next((one for text in texts for one in text.split("\n\n") if one.startswith("Example")), "")


def _description(text: str, width: int) -> list[str]:
    """Return the paragraphs of a docstring, wrapped, but for examples."""
    lines: list[str] = []
    for paragraph in text.strip().split("\n\n"):
        is_example = paragraph.startswith("Example")
        lines += ["", *(paragraph.splitlines() if is_example else textwrap.wrap(paragraph, width))]
    return lines[1:]


def _section(title: str, rows: list[tuple[str, str]], width: int) -> list[str]:
    if not rows:
        return []
    column = min(max(len(name) for name, _ in rows), NAMES_WIDTH_MAX)
    indent = " " * (GAP + column + GAP)
    lines = ["", f"{title}:"]
    for name, about in rows:
        wrapped = textwrap.wrap(about, width - len(indent), break_on_hyphens=False) or [""]
        if len(name) > column:
            lines.append(" " * GAP + name)
        else:
            lines.append(f"{' ' * GAP}{name:<{column}}{' ' * GAP}{wrapped.pop(0)}".rstrip())
        lines += [indent + line for line in wrapped]
    return lines


def _commands(command: Any, context: Any) -> Iterable[tuple[str, str]]:
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        one = command.get_command(context, name)
        if not one.hidden:
            yield name, " ".join((one.help or "").split("\n\n")[0].split())


def _names(option: Any, context: Any) -> str:
    """Return the names of an option, and the word for its value if it takes one: `-m, --message TEXT`."""
    text: str = option.get_help_record(context)[0]
    if option.is_flag:
        return text.partition(" <")[0].rstrip()
    for form, word in VALUES:
        text = form.sub(word, text)
    return text


def _about(parameter: Any, context: Any) -> str:
    """Return the help of a parameter with its default, its variable and its limits, where they help."""
    names, about = parameter.get_help_record(context)
    text, _, extra = about.partition("  [")
    choices = CHOICES.search(names) if parameter.param_type_name == "argument" else None
    told = [choices[1]] if choices else []
    told += [
        SMALL_LIMIT.sub(r"\1 to \2", one).replace("(", "").replace(")", "").replace("env var: ", "else ")
        for one in extra.removesuffix("]").split("; ")
        if one and one != "required" and not LIMIT.match(one)
    ]
    return f"{text} [{'; '.join(told)}]" if told else text
