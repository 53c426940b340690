"""From bytes to a tree of XML, whoever wrote the bytes (a process, a decision model): no DOCTYPE, no entity, no network, and a bound on everything.

Two parsers look at a file. Expat goes first, in small steps, and stops at a DOCTYPE before it has read what that declares, or when a
bound is passed; what it lets through is built into a tree by libxml2 with all reading of other files switched off.
"""

from xml.parsers import expat

from lxml import etree

CONTENT_BYTES_MAX = 4 * 1024 * 1024  # what one gRPC message carries
LEVELS_MAX = 256  # libxml2's own bound too
NODES_MAX = 250_000  # XML elements; 10,000 BPMN elements with their diagram are about half of it. A node is some 130 bytes in memory
#: Expat's own and two of one byte a character. Any other would be looked up among Python's codecs, by a name the file chooses.
ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")
FIRST_STEP_BYTES = 4096  # how much is read on after something was found wrong; see _inspect

Node = etree._Element  # noqa: SLF001 - lxml has no public name for it


class Unreadable(Exception):
    """The bytes are no XML that we read. *line* is 0 where the whole file is meant."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


def read(content: bytes) -> Node:
    """The root element of *content*.

    Raises:
        Unreadable: it is too large or too deep, has a DOCTYPE (measured on the reference broker: any is refused) or is not
            well-formed. Takes time linear in its length.
    """
    if len(content) > CONTENT_BYTES_MAX:
        raise Unreadable(f"Expected at most {CONTENT_BYTES_MAX} bytes, but found {len(content)}")
    _inspect(content)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(f"Fatal Error at line {error.lineno}: {str(error.msg)[:200]}", error.lineno or 0) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("Fatal Error: DOCTYPE is disallowed")
    return root


class _Inspection:
    """Counts what expat meets, and keeps the first reason to stop."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate()
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.level = 0
        self.nodes = 0

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            self._stop(f"Expected an encoding of {', '.join(ENCODINGS)}, but found '{encoding[:40]}'")

    def _doctype(self, *_: object) -> None:
        self._stop("DOCTYPE is disallowed")

    def _start(self, *_: object) -> None:
        self.level += 1
        self.nodes += 1
        if self.level > LEVELS_MAX:
            self._stop(f"Expected at most {LEVELS_MAX} levels of elements, but found more")
        if self.nodes > NODES_MAX:
            self._stop(f"Expected at most {NODES_MAX} elements, but found more")

    def _end(self, _: object) -> None:
        self.level -= 1

    def _stop(self, reason: str) -> None:
        line = self.parser.CurrentLineNumber
        raise Unreadable(f"Fatal Error at line {line}: {reason}", line)


def _inspect(content: bytes) -> None:
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
        reason = expat.ErrorString(error.code)
        raise Unreadable(f"Fatal Error at line {error.lineno}, column {error.offset}: {reason}", error.lineno) from None
