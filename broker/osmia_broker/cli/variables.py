"""Read variables from the command line: `--var k=v`, and `--vars` with JSON, `@file` or `-`.

A JSON value keeps the text that was typed, so a 64-bit number or a long decimal reaches the process unchanged.
"""

import json
import shlex
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from osmia_broker.base import text_files
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.failures import usage

Variables = dict[str, Any]  #: values are `msgspec.Raw` JSON or plain text


def read(assignments: list[str] | None, document: str | None) -> Variables:
    """Return the variables of *document* and *assignments*. An assignment wins over the document, a later one over an earlier.

    Raises:
        Failure: USAGE; the text names the wrong variable or file, and the place in it.
    """
    variables = given_document(document, "--vars", "--vars '{\"a\": 1}'") if document is not None else {}
    for assignment in assignments or ():
        name, value = _assignment(assignment)
        variables[name] = value
    return variables


def json_text(value: Any) -> str:
    """Return the JSON of a variable that was read."""
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else json.dumps(value, ensure_ascii=False)


def _assignment(text: str) -> tuple[str, Any]:
    """Read one `--var`. `k:=v` must be JSON, `k==v` is text, `k=v` is JSON if it parses, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip(":").strip():
        raise usage(
            f"Expected --var NAME=VALUE, but found '{text}'.",
            "--var NAME=VALUE   (NAME:=JSON must be JSON, NAME==TEXT is text)",
        )
    if value.startswith("="):
        return name, value[1:]
    if name.endswith(":"):
        return name[:-1], _json(
            value, f"the value of --var {name[:-1]}", f"--var {shlex.quote(f'{name[:-1]}={value}')}"
        )
    return name, either(value)


def either(value: str) -> Any:
    """Return *value* as JSON if it is that, else as text."""
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return msgspec.Raw(value.encode())


def _json(value: str, what: str, mend: str) -> msgspec.Raw:
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError as error:
        raise usage(f"Expected {what} to be JSON, but found {fault(value, error)}.", mend) from error
    return msgspec.Raw(value.encode())


def given_document(source: str, option: str, mend: str) -> Variables:
    """Read the JSON object of *option*: from a file for `@file`, from stdin for `-`, else the value is the JSON itself.

    Raises:
        Failure: USAGE; there is no such file, or it holds no JSON object. *mend* is the option with one.
    """
    if source == "-":
        text, name = sys.stdin.read().removeprefix("\ufeff"), "standard input"
    elif source.startswith("@"):
        text, name = _file(Path(source[1:]), option), source[1:]
    else:
        text, name = source, option
    try:
        return dict(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeError) as error:
        found = fault(text, error)
        raise usage(f"Expected {name} to hold a JSON object, but found {found}.", mend) from error


KINDS = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false", type(None): "null"}
#: What Python's reader says, in words that complete "but found".
FAULTS = {
    "Expecting property name enclosed in double quotes": "a name without double quotes",
    "Expecting value": "no value",
    "Expecting ',' delimiter": "no comma",
    "Expecting ':' delimiter": "no colon",
    "Extra data": "more text behind the end",
    "Unterminated string starting at": "a text without its closing quote",
    "Illegal trailing comma before end of object": "a comma with nothing behind it",
    "Illegal trailing comma before end of array": "a comma with nothing behind it",
}


def fault(text: str, error: Exception) -> str:
    """Return what is wrong with *text*, which *error* refused as JSON, and where; the words complete "but found"."""
    if not text.strip():
        return "an empty text"
    try:
        value = json.loads(text)
    except json.JSONDecodeError as wrong:
        what = FAULTS.get(wrong.msg, f"'{wrong.msg}'")
        if wrong.pos >= len(text.rstrip()):
            return f"the end of the text at line {wrong.lineno}, column {wrong.colno}"
        return f"{what} at line {wrong.lineno}, column {wrong.colno}"
    except (ValueError, RecursionError):
        return str(error)
    if isinstance(error, msgspec.ValidationError):  # it is JSON, but of another kind
        return KINDS.get(type(value), str(error))
    return f"a value beyond the bounds of JSON ({error})"


def _nearby(path: Path, option: str) -> str:
    """Return the option with the file that *path* probably means, or with a place for one."""
    folder = path.parent
    files = sorted(one.name for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []
    named = [one for one in files if one.endswith(".json")]
    near = [*get_close_matches(path.name, files, n=1), *(named if len(named) == 1 else [])]
    return (
        f"{option} {shlex.quote(f'@{folder / near[0]}')}"
        if near
        else f"{option} JSON   (or @FILE with a file that is there)"
    )


def _file(path: Path, option: str) -> str:
    try:
        return text_files.decoded(path.read_bytes())
    except (OSError, UnicodeError) as error:
        raise usage(
            f"Expected to read {'variables' if option == '--vars' else option} from '{path}', but found: {in_words(error)}.",
            _nearby(path, option),
        ) from error
