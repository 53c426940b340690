"""Read the refusal of a deployment: its problems one by one, as people mend them.

The broker answers with the text that modelling tools read, each reason with its line and name behind it:

    Expected to deploy new resources, but encountered the following errors:
    'dinner.bpmn': - Element: decide
        - ERROR: Must have ... (line 7, 'Decide')
"""

import re
from dataclasses import dataclass, replace

HEAD = "Expected to deploy new resources, but encountered the following errors:"
ALONE = "Expected "
_FILE = re.compile(r"'([^'\n]*)': (.*)")
_ELEMENT = re.compile(r"- Element: (.*)")
_REASON = re.compile(r"\s*- (?:ERROR|WARNING): (.*)")
_PLACE = re.compile(r" \((?:line (?P<line>\d+))?(?:, )?(?:'(?P<name>[^\n]*)')?\)$")

#: The words of the parser of XML, and those for people; the first that begins so.
_XML = (
    ("no element found", "The file is empty"),
    ("the file ends before", "The file ends before its elements do"),
    ("DOCTYPE is disallowed", "A DOCTYPE is not allowed in a model"),
    ("Expected ", ""),
    ("mismatched tag", "This is no XML: an end tag belongs to another element"),
    ("", "This is no XML: it cannot be read here"),
)
_FAULT = re.compile(
    r"(?:Failed to parse DMN: )?Fatal Error(?: at line (?P<line>\d+)(?:, column \d+)?)?: (?P<reason>.*)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a file. *element* is the id of the BPMN element, *path* the way from it to the place; *line* is 0 if none is named."""

    file: str
    element: str
    path: str
    line: int
    name: str
    reason: str


def problems_in(details: str) -> list[Problem]:
    """Return the problems that a refusal names, in its order.

    A fault of a decision model that is about no element stands alone on its line. A line of no known form goes on with the reason before.
    """
    found: list[tuple[str, str, str]] = []
    file = element = ""
    for line in details.removeprefix(HEAD).strip().splitlines():
        named = _FILE.match(line)
        text = named[2] if named else line
        if named:
            file, element = named[1], ""
        if of_element := _ELEMENT.match(text):
            element = of_element[1]
        elif reason := _REASON.match(text):
            found.append((file, element, reason[1]))
        elif named:
            found.append((file, element, text))
        elif file and text.startswith(ALONE):
            found.append((file, "", text))
        elif found and text.strip():
            before = found.pop()
            found.append((*before[:2], f"{before[2]} {text.strip()}"))
    return [_problem(*one) for one in found]


def _problem(file: str, element: str, reason: str) -> Problem:
    place = _PLACE.search(reason)
    line, name = 0, ""
    if place and (place["line"] or place["name"]):
        reason = reason[: place.start()]
        line, name = int(place["line"] or 0), place["name"] or ""
    id, _, path = element.partition(" > ")
    return Problem(file, id, path, line, name, reason)


def in_words(problem: Problem) -> Problem:
    """Write a fault that the parser of XML found as people read it."""
    found = _FAULT.fullmatch(problem.reason)
    if found is None:
        return problem
    words = next(words for begin, words in _XML if found["reason"].startswith(begin))
    return replace(problem, line=int(found["line"] or 0), reason=words or found["reason"])
