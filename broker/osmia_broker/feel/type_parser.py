"""Read types.

`number`, `date and time`; in the standard dialect also `list<number>`, `context<a: string>`, `range<T>`, `function<T> -> U`,
and the types of the model.
"""

import re
from collections.abc import Callable
from typing import Any

from osmia_broker.feel import syntax
from osmia_broker.feel.name_parser import NameParser
from osmia_broker.feel.tokens import WIDE_TYPES, is_name

_WIDE_TYPE = re.compile(rf"(?:{'|'.join(WIDE_TYPES)})(?![\w$])")


class TypeParser(NameParser):
    """Read types, one method per form."""

    def type(self) -> syntax.Type:
        """Read a type."""
        found = _WIDE_TYPE.match(self.text, self.token.start)
        if found is not None:
            self.jump(found.end())
            return syntax.Type(found.group())
        if self.standard and self.token.text in _FORMS and self.next().text == "<":
            self.deeper()
            read = _FORMS[self.advance().text]
            self.expect("<")
            node = read(self)
            self.depth -= 1
            return node
        if self.at("function"):
            return syntax.Type(self.advance().text)
        return syntax.Type(self._type_name())

    def _type_name(self) -> str:
        name = self.name("the name of a type")
        while self.standard and self.at(".") and is_name(self.next()):
            self.advance()
            name += "." + self.name("the name of a type")
        return name

    def list_type(self) -> syntax.Type:
        """Read the rest of `list<T>`."""
        item = self.type()
        self.expect(">")
        return syntax.Type("list", (item,))

    def range_type(self) -> syntax.Type:
        """Read the rest of `range<T>`."""
        end = self.type()
        self.expect(">")
        return syntax.Type("range", (end,))

    def context_type(self) -> syntax.Type:
        """Read the rest of `context<a: T, b: U>`."""
        names: list[str] = []
        types: list[syntax.Type] = []
        while not (self.at(">") and not names):
            names.append(self.parameter_name())
            types.append(self.type())
            if not self.accept(","):
                break
        self.expect(">")
        return syntax.Type("context", tuple(types), tuple(names))

    def function_type(self) -> syntax.Type:
        """Read the rest of `function<T, U> -> V`; the result's type comes last in the tree."""
        types: list[syntax.Type] = []
        while not (self.at(">") and not types):
            types.append(self.type())
            if not self.accept(","):
                break
        self.expect(">")
        self.expect("-")
        self.expect(">")
        return syntax.Type("function", (*types, self.type()))


_FORMS: dict[str, Callable[[Any], syntax.Type]] = {
    "list": TypeParser.list_type,
    "range": TypeParser.range_type,
    "context": TypeParser.context_type,
    "function": TypeParser.function_type,
}
