"""Turn the refusal of a deployment into one line per problem: file, line, element, name, reason.

A broker that leaves the places out does not matter: the files are at hand here.
"""

from collections.abc import Sequence

from osmia_broker.base.deployment_problems import HEAD, Problem, problems_in
from osmia_broker.cli.failures import Exit, Failure, unframed

#: A reason that the broker gives, and the command or change that mends it.
REMEDIES = (
    ("unknown resource type", "osmia lint FILE   (its name ends in .bpmn, .xml, .dmn, .form or -extensions.json)"),
    ("the file ends before", "osmia lint FILE   (the whole file: the end of this one is missing)"),
    ("no element found", "osmia lint FILE   (when the modeler has saved it: this one is empty)"),
    ("Fatal Error", "osmia lint FILE   (as the modeler saves it: this one is no XML)"),
    ("Duplicated ", "osmia lint FILE   (one of the two, or another id in one of them)"),
)


ANSWER_CHARACTERS_MAX = 1_000  # the broker cuts longer texts; its frame around them counts, too
CUT = "… (the answer of the broker ends here; there may be more problems)"


def refused(details: str, files: Sequence[tuple[str, bytes]]) -> Failure:
    """Return the failure for a refusal of *files* with the text *details*. A single problem stands in the first line."""
    is_cut = len(details) >= ANSWER_CHARACTERS_MAX
    details = unframed(details)
    lines = [_line(problem, files) for problem in problems_in(details)]
    lines = lines or list(filter(None, [" ".join(details.removeprefix(HEAD).split())]))
    if is_cut and lines:
        lines[-1] = f"{lines[-1].rstrip()}{CUT}"
    mend = next((mend for reason, mend in REMEDIES if reason in details), "")
    if len(lines) <= 1:
        what = f"Nothing was deployed: {lines[0]}" if lines else "The broker refused, and nothing was deployed."
        return Failure(Exit.REFUSED, what, mend=mend, code="INVALID_ARGUMENT")
    what = f"Nothing was deployed, because of {len(lines)} problems:"
    return Failure(Exit.REFUSED, what, details=lines, mend=mend, code="INVALID_ARGUMENT")


def _line(problem: Problem, files: Sequence[tuple[str, bytes]]) -> str:
    line, name = problem.line, problem.name
    if problem.element and not line:
        line, name = _place(problem.element, next((content for known, content in files if known == problem.file), b""))
    at = f"{problem.file}:{line}" if line else problem.file
    words = [at, problem.element, f'"{name}"' if name else "", f"> {problem.path}" if problem.path else ""]
    return f"{' '.join(filter(None, words))}: {problem.reason}"


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
