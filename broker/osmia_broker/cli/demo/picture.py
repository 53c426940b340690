"""The process of the demo as a picture in the terminal: where its tokens are now, in colour where there is some."""

import sys
from textwrap import indent
from typing import TYPE_CHECKING

from osmia_broker.base.surroundings import wants_color
from osmia_broker.cli.demo.broker import write

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import ProcessInstance

TOKEN, STOPPED, REACHED = "●", "!", "✔"
GREEN, RED, BOLD, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


def has_color(*, is_wanted: bool = True) -> bool:
    """Whether the output shows colours: a person looks at it, and has not said no."""
    return is_wanted and sys.stdout.isatty() and wants_color()


def heading(text: str, *, is_colored: bool) -> str:
    """Return a line that stands out."""
    return f"{BOLD}{text}{PLAIN}" if is_colored else text


class Picture:
    """Draws instances as they are at that moment."""

    def __init__(self, client: "SyncClient", *, is_colored: bool) -> None:
        self._client = client
        self._is_colored = is_colored
        self._files: dict[int, bytes] = {}  # by the key of the definition
        self._shown: dict[int, str] = {}  # the last picture of each instance

    def show(self, process_instance_key: int) -> None:
        """Draw an instance; nothing if it cannot be read any more, or looks as it did the last time: it moves on while its events are read."""
        from osmia.errors import OsmiaError

        try:
            instance = self._client.get_instance(process_instance_key)
            tokens = self._tokens(instance)
            file = self._file(instance.process_definition_key)
        except OsmiaError:
            return
        drawn = self._drawn(file, instance.bpmn_process_id, tokens)
        if drawn == self._shown.get(process_instance_key):
            return
        self._shown[process_instance_key] = drawn
        write("\n" + indent(drawn, "  ") + "\n")

    def _file(self, definition_key: int) -> bytes:
        if definition_key not in self._files:
            self._files[definition_key] = self._client.process_xml(definition_key)
        return self._files[definition_key]

    def _tokens(self, instance: "ProcessInstance") -> dict[str, str]:
        """Return a sign for each token, by its element; the end that was reached has one too."""
        tokens: dict[str, str] = {}
        for element in instance.elements:
            tokens[element.element_id] = tokens.get(element.element_id, "") + (
                STOPPED if element.incident_key else TOKEN
            )
        if not tokens and instance.state == "COMPLETED":
            tokens = {flow.target_element_id: REACHED for flow in self._client.taken_flows(instance.key)[-1:]}
        return tokens

    def _drawn(self, file: bytes, process_id: str, tokens: dict[str, str]) -> str:
        from osmia_broker.cli.drawing import draw

        text = draw(file, process_id, tokens)
        if self._is_colored:
            for sign, color in ((TOKEN, GREEN), (REACHED, GREEN), (STOPPED, RED)):
                text = text.replace(sign, f"{color}{sign}{PLAIN}")
        return text
