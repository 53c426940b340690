"""Read bytes as XML elements; refuse files that are no decision models or could harm the reader."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lxml import etree

from osmia_broker import feel
from osmia_broker.base import untrusted_xml
from osmia_broker.dmn.errors import Fault, InvalidModel, shorten

NAMESPACES = frozenset(
    {
        "http://www.omg.org/spec/DMN/20151101/dmn.xsd",  # 1.1
        "http://www.omg.org/spec/DMN/20151101/dmn11.xsd",  # 1.1, as some tools wrote it
        "http://www.omg.org/spec/DMN/20180521/MODEL/",  # 1.2
        "https://www.omg.org/spec/DMN/20191111/MODEL/",  # 1.3
        "http://www.omg.org/spec/DMN/20191111/MODEL/",
        "https://www.omg.org/spec/DMN/20211108/MODEL/",  # 1.4
        "https://www.omg.org/spec/DMN/20230324/MODEL/",  # 1.5
    }
)

_STANDARD = frozenset(
    {
        "https://www.omg.org/spec/DMN/20211108/MODEL/",  # 1.4
        "https://www.omg.org/spec/DMN/20230324/MODEL/",  # 1.5
    }
)


def read(resource_name: str, content: bytes) -> etree._Element:
    """Return the `definitions` element of *content*, within the bounds of `untrusted_xml`.

    Raises:
        InvalidModel: no XML, a DOCTYPE, another root, a bound passed, or an id given twice.
    """
    root = _parse(resource_name, content)
    name = etree.QName(root)
    if name.localname != "definitions" or name.namespace not in NAMESPACES:
        found = f"'{shorten(root.tag)}'" if name.namespace else f"'{shorten(name.localname)}' of no namespace"
        raise _no_model(resource_name, f"Expected the root 'definitions' of DMN 1.1 to 1.5, but found {found}")
    if faults := list(_duplicate_ids(root)):
        raise InvalidModel(resource_name, faults)
    return root


def _no_model(resource_name: str, reason: str) -> InvalidModel:
    return InvalidModel(resource_name, [Fault("", f"Failed to parse DMN: {reason}")])


def _parse(resource_name: str, content: bytes) -> etree._Element:
    try:
        return untrusted_xml.read(content)
    except untrusted_xml.Unreadable as error:
        raise _no_model(resource_name, str(error)) from None


def _duplicate_ids(root: etree._Element) -> Iterator[Fault]:
    """Yield a fault for each id that more than one element carries. Ids inside extension elements belong to tools and do not count."""
    extensions = {element for tag in root.iter("{*}extensionElements") for element in tag.iter()}
    ids = Counter(element.get("id") for element in root.iter("*") if element not in extensions)
    for id, count in ids.items():
        if id and count > 1:
            yield Fault(id, f"Expected the id '{shorten(id)}' once, but found it {count} times")


def children(element: etree._Element, *names: str) -> Iterator[etree._Element]:
    """Yield the child elements of the model's own namespace with one of *names*, or all of them, in order."""
    namespace = etree.QName(element).namespace
    for child in element.iterchildren("*"):
        name = etree.QName(child)
        if name.namespace == namespace and (not names or name.localname in names):
            yield child


def child(element: etree._Element, *names: str) -> etree._Element | None:
    """Return the first of `children`, or None."""
    return next(children(element, *names), None)


def local_name(element: etree._Element) -> str:
    """Return the name of the tag without its namespace."""
    return str(etree.QName(element).localname)


def attribute(element: etree._Element, name: str) -> str:
    """Return the value of an attribute, empty if it is absent."""
    return element.get(name) or ""


def text_of(element: etree._Element | None) -> str:
    """Return the content of an element's `text` child without blanks around it, or an empty text."""
    found = None if element is None else child(element, "text")
    return "" if found is None or found.text is None else feel.trimmed(found.text)


def one_line(text: str) -> str:
    """Return *text* with each run of blanks and line breaks as one blank, as the name of an input without a label is written."""
    return re.sub(r"\s+", " ", text)


def vocabulary_of(root: etree._Element, types: Mapping[str, Callable[[feel.Value], bool]]) -> feel.Vocabulary:
    """Return the dialect of FEEL for the version of DMN of a file, and the names and *types* that the file gives.

    DMN 1.1 to 1.3, which the modeler of the reference writes, have the dialect of the reference.
    """
    if etree.QName(root).namespace not in _STANDARD:
        return feel.Vocabulary()
    names = (attribute(element, each) for element in root.iter("*") for each in ("name", "iteratorVariable"))
    return feel.Vocabulary(feel.Dialect.STANDARD, frozenset(" ".join(name.split()) for name in names if name), types)
