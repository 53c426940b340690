"""Read XML that anybody may have written (processes, decision models): no DOCTYPE, no entity, no network, a bound on everything.

Two parsers read a file. Expat goes first, in steps, and decides what is well-formed. It stops at a DOCTYPE before it has read the
declarations inside, and when a bound is passed. Then libxml2 builds the tree, with all reading of other files switched off.

A namespace name may be any text (Namespaces in XML 1.0, section 2.2). Libxml2 counts a name that is no URI as an error; a file with such
names only is read again without that rule.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

if TYPE_CHECKING:
    from osmia_broker.base import xml_tree

    Node = xml_tree.Node
else:
    Node = Any  #: for annotations: lxml is loaded with the first file

CONTENT_BYTES_MAX = 4 * 1024 * 1024  # one gRPC message carries no more
LEVELS_MAX = 256  # libxml2 has the same bound
NODES_MAX = 250_000  # XML elements; 10,000 BPMN elements with their diagram are about half of it. A node is some 130 bytes in memory
#: Expat's own encodings and two of one byte a character. For any other, expat would ask Python for a codec of the file's choice.
ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
FIRST_STEP_BYTES = 4096  # after an error, expat reads at most the rest of the step; see _inspect

#: The reason of a file that was cut off. Expat calls it empty or unclosed, depending on where it ends.
CUT_OFF = "the file ends before its elements do"
_EMPTY = expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS]
_UNCLOSED = {
    expat.errors.codes[error]
    for error in (
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
}

#: By how a file begins.
_UTF_16 = {
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
}
_ENCODING = re.compile(r"""(<\?xml[^>]*?\sencoding\s*=\s*["'])([\w.-]+)""", re.ASCII)
_DECLARATION_BYTES_MAX = 200

_SEPARATOR = "\x01"  # between a namespace and a local name; no XML text can contain it


class Unreadable(Exception):
    """The bytes are not acceptable as XML. *line* is 0 if the fault concerns the whole file."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def read(content: bytes) -> Node:
    """Read *content* and return its root element. The time is linear in the length.

    Raises:
        Unreadable: it is too large or too deep, has a DOCTYPE (the reference broker refuses any; measured) or is not
            well-formed.
    """
    if len(content) > CONTENT_BYTES_MAX:
        raise Unreadable(f"Expected at most {CONTENT_BYTES_MAX} bytes, but found {len(content)}")
    inspection = _inspect(content)
    from osmia_broker.base import xml_tree

    return xml_tree.build(content, inspection.nodes, inspection.attributes)


def in_utf8(content: bytes) -> bytes:
    """Return a file that `read` takes, in UTF-8: programs that get XML over HTTP as text expect no other encoding."""
    encoding = _UTF_16.get(content[:2])
    if encoding is None:
        found = _ENCODING.match(content[:_DECLARATION_BYTES_MAX].decode("latin-1"))
        encoding = found[2].lower() if found else "utf-8"
        if encoding in ("utf-8", "us-ascii") or encoding not in ENCODINGS:
            return content
    return _ENCODING.sub(r"\1UTF-8", content.decode(encoding, "replace"), count=1).encode()


class _Inspection:
    """Counts elements and attributes while expat reads, and stops at the first thing that is not allowed."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.level = 0
        self.nodes = 0
        self.attributes = 0

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            self._stop(f"Expected an encoding of {', '.join(ENCODINGS)}, but found '{encoding[:40]}'")

    def _doctype(self, *_: object) -> None:
        self._stop("DOCTYPE is disallowed")

    def _start(self, _: str, attributes: dict[str, str]) -> None:
        self.level += 1
        self.nodes += 1
        self.attributes += len(attributes)
        if self.level > LEVELS_MAX:
            self._stop(f"Expected at most {LEVELS_MAX} levels of elements, but found more")
        if self.nodes > NODES_MAX:
            self._stop(f"Expected at most {NODES_MAX} elements, but found more")

    def _end(self, _: object) -> None:
        self.level -= 1

    def _stop(self, reason: str) -> None:
        line = self.parser.CurrentLineNumber
        raise Unreadable(f"Fatal Error at line {line}: {reason}", line)


def _is_cut_off(error: expat.ExpatError, inspection: _Inspection, content: bytes) -> bool:
    if b"<" not in content:
        return False  # it never was XML
    return error.code in _UNCLOSED or (error.code == _EMPTY and inspection.level > 0)


def _inspect(content: bytes) -> _Inspection:
    """Let expat read *content* in steps, each twice as long as the one before.

    Expat before 2.6 reads an unfinished token again with every step, so equal steps would take quadratic time on a long attribute.
    """
    inspection = _Inspection()
    view = memoryview(content)
    start, step = 0, FIRST_STEP_BYTES
    try:
        while start < len(content):
            inspection.parser.Parse(view[start : start + step], False)
            start, step = start + step, step * 2
        inspection.parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = CUT_OFF if _is_cut_off(error, inspection, content) else expat.ErrorString(error.code)
        raise Unreadable(f"Fatal Error at line {error.lineno}, column {error.offset}: {reason}", error.lineno) from None
    return inspection
