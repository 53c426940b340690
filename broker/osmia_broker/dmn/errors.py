"""Define the faults of a decision model, which are reported all at once, and the failure of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

FAULTS_SHOWN_MAX = 20  # in the text of a refusal; the error holds all of them


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a model: the id of the element (empty if it has none, or if the file is no model) and the reason."""

    element_id: str
    reason: str

    def __str__(self) -> str:
        return f"- Element: {self.element_id}\n    - ERROR: {self.reason}" if self.element_id else self.reason


class InvalidModel(ValueError):
    """A resource is no decision model. *faults* holds all faults in the order of the file."""

    def __init__(self, resource_name: str, faults: Sequence[Fault]) -> None:
        self.resource_name = resource_name
        self.faults = tuple(faults)
        shown = [str(fault) for fault in self.faults[:FAULTS_SHOWN_MAX]]
        if len(self.faults) > FAULTS_SHOWN_MAX:
            shown.append(f"and {len(self.faults) - FAULTS_SHOWN_MAX} more")
        super().__init__(f"'{resource_name}': " + "\n".join(shown))


class EvaluationFailed(Exception):
    """A decision has no result; the text is the reason. Becomes `Evaluation.failure_message` and never leaves the package."""


def shorten(text: str, length: int = 200) -> str:
    """Return *text*, cut to *length* characters, so that an answer does not repeat a huge input."""
    return text if len(text) <= length else f"{text[:length]}…"
