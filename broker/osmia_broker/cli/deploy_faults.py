"""Turn the refusal of a deployment into one line per problem: file, line, element, name, reason.

The broker answers with the text that modelling tools read (gateway-rpc.md, DeployResource), each reason with its line and name behind it:

    Expected to deploy new resources, but encountered the following errors:
    'dinner.bpmn': - Element: decide
        - ERROR: Must have ... (line 7, 'Decide')

A broker that leaves the places out does not matter: the files are at hand here.
"""

import re
from collections.abc import Sequence

from osmia_broker.cli.failures import FRAME, Exit, Failure

HEAD = "Expected to deploy new resources, but encountered the following errors:"
_FILE = re.compile(r"'([^'\n]*)': (.*)")
_ELEMENT = re.compile(r"- Element: (.*)")
_REASON = re.compile(r"\s*- (?:ERROR|WARNING): (.*)")
_TWICE = re.compile(r"(failed to parse expression '[^\n]*'): \1")
_PLACE = re.compile(r" \((?:line (?P<line>\d+))?(?:, )?(?:'(?P<name>[^\n]*)')?\)$")
REMEDIES = (
    ("unknown resource type", "files whose names end in .bpmn, .xml, .dmn or .form"),
    ("no element found", "files that are not empty"),
    ("Duplicated ", "one of the two files, or another id in one of them"),
)  #: a reason that the broker gives, and the command or change that mends it


ANSWER_CHARACTERS_MAX = 1_000  # the broker cuts longer texts; its frame around them counts, too
CUT = "… (the answer of the broker ends here; there may be more problems)"


def refused(details: str, files: Sequence[tuple[str, bytes]]) -> Failure:
    """Return the failure for a refusal of *files* with the text *details*. A single problem stands in the first line."""
    is_cut = len(details) >= ANSWER_CHARACTERS_MAX
    details = FRAME.sub("", details, count=1)
    lines = [_line(*problem, files) for problem in _problems(details)]
    lines = lines or list(filter(None, [" ".join(details.removeprefix(HEAD).split())]))
    if is_cut and lines:
        lines[-1] = f"{lines[-1].rstrip()}{CUT}"
    mend = next((mend for reason, mend in REMEDIES if reason in details), "")
    if len(lines) <= 1:
        what = f"Nothing was deployed: {lines[0]}" if lines else "The broker refused, and nothing was deployed."
        return Failure(Exit.REFUSED, what, mend=mend, code="INVALID_ARGUMENT")
    what = f"Nothing was deployed, because of {len(lines)} problems:"
    return Failure(Exit.REFUSED, what, details=lines, mend=mend, code="INVALID_ARGUMENT")


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
    found = _PLACE.search(reason)
    line, name = 0, ""
    if found and (found["line"] or found["name"]):
        reason = reason[: found.start()]
        line, name = int(found["line"] or 0), found["name"] or ""
    id, _, path = element.partition(" > ")
    if id and not line:
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
