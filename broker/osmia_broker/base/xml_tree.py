"""Build the tree of a file that `untrusted_xml` has looked through, with libxml2, and write a tree again. Nothing else is read for it."""

from lxml import etree

from osmia_broker.base.untrusted_xml import Unreadable

Node = etree._Element  # noqa: SLF001 - lxml has no public name for it


def build(content: bytes, nodes: int, attributes: int) -> Node:
    """Return the root element of *content*, which has so many XML elements and attributes in all.

    Raises:
        Unreadable: it is not well-formed, or has a DOCTYPE.
    """
    parser = _parser(recover=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        if any(entry.type != etree.ErrorTypes.WAR_NS_URI for entry in parser.error_log):
            raise _unreadable(error) from None
        root = _with_any_namespace(content, nodes, attributes)
    if root.getroottree().docinfo.internalDTD is not None:
        raise Unreadable("Fatal Error: DOCTYPE is disallowed")
    return root


def write(root: Node) -> bytes:
    """Return the file of a tree, in UTF-8."""
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=recover,
        remove_comments=True,
        remove_pis=True,
    )


def _unreadable(error: etree.XMLSyntaxError) -> Unreadable:
    return Unreadable(f"Fatal Error at line {error.lineno}: {str(error.msg)[:200]}", error.lineno or 0)


def _with_any_namespace(content: bytes, nodes: int, attributes: int) -> Node:
    """Read well-formed *content* past libxml2's rule that a namespace name must be a URI.

    This mode passes over other errors too, and the error log ends after a hundred entries. So the tree must have as many elements and
    attributes as were counted.
    """
    try:
        root = etree.fromstring(content, _parser(recover=True))
    except etree.XMLSyntaxError as error:
        raise _unreadable(error) from None
    found_nodes = found_attributes = 0
    for node in () if root is None else root.iter():
        found_nodes += 1
        found_attributes += len(node.attrib)
    if (found_nodes, found_attributes) != (nodes, attributes):
        raise Unreadable(
            f"Expected {nodes} elements with {attributes} attributes, but found {found_nodes} with {found_attributes}"
        )
    return root
