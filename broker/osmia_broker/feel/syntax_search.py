"""Find names, calls and the input `?` in a syntax tree."""

from collections.abc import Iterator

from osmia_broker.feel import syntax


def mentions(node: object, name: str) -> bool:
    """Tell whether the tree under *node* has a variable called *name* anywhere."""
    if isinstance(node, syntax.Name):
        return node.name == name
    return any(mentions(part, name) for part in _parts(node))


def reads_input(node: object) -> bool:
    """Tell whether the tree under *node* reads the `?` of the place where it stands.

    An expression among the tests of an `in` is left out: inside it `?` is the value on the left of `in`.
    """
    if isinstance(node, syntax.Input):
        return True
    if isinstance(node, syntax.In):
        orders = tuple(test for test in node.tests if isinstance(test, syntax.CompareInput | syntax.Interval))
        return reads_input((node.operand, orders))
    return any(map(reads_input, _parts(node)))


def calls(node: object, name: str) -> Iterator[syntax.Call]:
    """Yield the calls of the function *name* in the tree under *node*, the outer ones first."""
    if isinstance(node, syntax.Call) and node.name == name and not node.owner:
        yield node
    for part in _parts(node):
        yield from calls(part, name)


def _parts(node: object) -> tuple[object, ...]:
    if isinstance(node, tuple):
        return node
    return tuple(getattr(node, field) for field in node.__struct_fields__) if isinstance(node, syntax.Node) else ()
