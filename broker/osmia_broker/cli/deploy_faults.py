"""Turn the refusal of a deployment into one line per problem: file, line, element, name, reason.

The broker answers with the text that modelling tools read (gateway-rpc.md, DeployResource):

    Expected to deploy new resources, but encountered the following errors:
    'dinner.bpmn': - Element: decide
        - ERROR: Must have ...

The names and the lines come from the files, which are at hand here.
"""

import re
from collections.abc import Sequence

from osmia_broker.cli.failures import Exit, Failure

HEAD = "Expected to deploy new resources, but encountered the following errors:"
_FILE = re.compile(r"'([^'\n]*)': (.*)")
_ELEMENT = re.compile(r"- Element: (.*)")
_REASON = re.compile(r"\s*- (?:ERROR|WARNING): (.*)")
_TWICE = re.compile(r"(failed to parse expression '[^\n]*'): \1")
REMEDIES = (
    ("unknown resource type", "files whose names end in .bpmn, .xml, .dmn or .form"),
    ("no element found", "files that are not empty"),
)  #: a reason that the broker gives, and the command or change that mends it


def refused(details: str, files: Sequence[tuple[str, bytes]]) -> Failure:
    """Return the failure for a refusal of *files* with the text *details*."""
    problems = [_line(*problem, files) for problem in _problems(details)]
    mend = next((mend for reason, mend in REMEDIES if reason in details), "")
    what = "The broker refused, and nothing was deployed."
    if not problems:
        return Failure(Exit.REFUSED, what, why=details.removeprefix(HEAD).strip(), mend=mend, code="INVALID_ARGUMENT")
    return Failure(Exit.REFUSED, what, details=problems, mend=mend, code="INVALID_ARGUMENT")


def _problems(details: str) -> list[tuple[str, str, str]]:
    """Return file, element (may be empty) and reason of each problem. A line of no such form goes on with the reason before."""
    problems: list[tuple[str, str, str]] = []
    file = element = ""
    for line in details.removeprefix(HEAD).strip().splitlines():
        named = _FILE.match(line)
        text = named[2] if named else line
        if named:
            file, element = named[1], ""
        if found := _ELEMENT.match(text):
            element = found[1]
        elif found := _REASON.match(text):
            problems.append((file, element, found[1]))
        elif named:
            problems.append((file, element, text))
        elif problems and text.strip():
            before = problems.pop()
            problems.append((*before[:2], f"{before[2]} {text.strip()}"))
    return problems


def _line(file: str, element: str, reason: str, files: Sequence[tuple[str, bytes]]) -> str:
    reason = _TWICE.sub(r"\1", reason)
    if not element:
        return f"{file}: {reason}"
    id, _, path = element.partition(" > ")
    line, name = _place(id, next((content for known, content in files if known == file), b""))
    at = f"{file}:{line}" if line else file
    words = [at, id, f'"{name}"' if name else "", f"> {path}" if path else ""]
    return f"{' '.join(filter(None, words))}: {reason}"


def _place(id: str, content: bytes) -> tuple[int, str]:
    """Return the line and the name of the element with this id; 0 and empty if it is not found."""
    from osmia_broker.model.xml import Unreadable, line, read

    try:
        root = read(content)
    except Unreadable:
        return 0, ""
    for node in root.iter():
        if node.get("id") == id:
            return line(node), node.get("name") or ""
    return 0, ""
