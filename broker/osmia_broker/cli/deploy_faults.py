"""Turn the refusal of a deployment into one line per problem: file, line, element, name, reason.

A broker that leaves the places out does not matter: the files are at hand here.
"""

from collections.abc import Sequence

from osmia_broker.base.counted import counted
from osmia_broker.base.deployment_problems import HEAD, Problem, in_words, problems_in
from osmia_broker.cli.failures import Exit, Failure

#: A reason that people read, and the command or change that mends it.
REMEDIES = (
    (
        "unknown resource type",
        "osmia lint FILE   (its name ends in .bpmn, .xml, .dmn, .form or -extensions.json, or in .zip for many)",
    ),
    ("The file ends before", "osmia lint FILE   (the whole file: the end of this one is missing)"),
    ("The file is empty", "osmia lint FILE   (when the modeler has saved it: this one is empty)"),
    ("A DOCTYPE is", "osmia lint FILE   (without the DOCTYPE, as the modeler saves it)"),
    ("This is no XML", "osmia lint FILE   (as the modeler saves it: this one is no XML)"),
    ("must end with '.dmn'", "osmia lint FILE.dmn   (the same file with such a name)"),
    ("Expected 'definitions' of BPMN", "osmia lint FILE.bpmn   (as the modeler saves it: this one is no BPMN)"),
    ("Expected the root 'definitions' of DMN", "osmia lint FILE.dmn   (as the modeler saves it: this one is no DMN)"),
    ("Expected a form as a JSON object", "osmia lint FILE.form   (as the modeler saves it: this one is no form)"),
    ("Expected the form id to be", 'osmia lint FILE.form   (with an "id", as the modeler writes it)'),
    ("Expected the BPMN file ", "osmia lint FILE...   (with the BPMN file of its process)"),
    ("Duplicated ", "osmia lint FILE   (one of the two, or another id in one of them)"),
    ("Expected a zip archive", "osmia lint FILE   (another archive, or the files that are in it)"),
    ("Expected models in the archive", "osmia lint FILE   (an archive with .bpmn, .dmn or .form files)"),
    ("bytes in all, but found more", "osmia lint FILE   (a smaller archive, or the files that are in it)"),
    (
        "Expected models that are deflated",
        "osmia lint FILE   (an archive of the usual kind, or the files that are in it)",
    ),
)


ANSWER_CHARACTERS_MAX = 1_000  # the broker cuts longer texts; its frame around them counts, too
CUT = "… (the answer of the broker ends here; there may be more problems)"
ALL = "osmia lint FILE   (it names all problems)"
_BEGINNINGS = ("- Element: ", "- ERROR: ", "- WARNING: ")


def refused(details: str, files: Sequence[tuple[str, bytes]], *, is_answer: bool = True) -> Failure:
    """Return the failure for a refusal of *files* with the text *details*. A single problem stands in the first line.

    An answer of a broker may be cut; what was found here (*is_answer* False) never is.
    """
    from osmia.errors import unframed

    is_cut = is_answer and len(details) >= ANSWER_CHARACTERS_MAX
    details = unframed(details)
    if is_cut:
        details = _without_begun_line(details)
    lines = [_line(in_words(problem), files) for problem in problems_in(details)]
    lines = lines or list(filter(None, [" ".join(details.removeprefix(HEAD).split())]))
    if is_cut and lines:
        lines[-1] = f"{lines[-1].rstrip()}{CUT}"
    mend = next((mend for reason, mend in REMEDIES if any(reason in line for line in lines)), ALL if is_cut else "")
    if len(lines) <= 1:
        what = f"Nothing was deployed: {lines[0]}" if lines else "The broker refused, and nothing was deployed."
        return Failure(Exit.REFUSED, what, mend=mend, code="INVALID_ARGUMENT")
    what = f"Nothing was deployed, because of {counted(len(lines), 'problem')}:"
    return Failure(Exit.REFUSED, what, details=lines, mend=mend, code="INVALID_ARGUMENT")


def _without_begun_line(details: str) -> str:
    """Return *details* without a last line that says nothing yet: `'dinner.bpmn': - El`."""
    whole, _, last = details.rpartition("\n")
    begun = last.rpartition("': ")[2].rstrip("…").strip()
    says_nothing = begun.startswith((_BEGINNINGS[0], "'")) or any(one.startswith(begun) for one in _BEGINNINGS)
    return whole if says_nothing else details


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


def undeployable(failure: Failure, files: int) -> Failure:
    """Say of a failure that the *files* cannot be deployed, because nobody wanted to deploy them yet."""
    whose = "The file" if files == 1 else "The files"
    failure.what = failure.what.replace("Nothing was deployed", f"{whose} cannot be deployed")
    return failure
