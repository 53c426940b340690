"""Read names: plain ones, quoted ones, and in the standard dialect names that hold blanks and signs.

Without knowing the names, `Full Name` is two names and `Pre-bureauRisk` a subtraction. The caller therefore hands in the
names of its model. Context keys, iteration variables and parameters of the text itself are learnt on the way.
"""

import re
from functools import lru_cache

from osmia_broker.feel.cursor import Cursor
from osmia_broker.feel.dialect import Dialect
from osmia_broker.feel.limits import Limits
from osmia_broker.feel.tokens import BLANK, NAME, WIDE_PROPERTIES, is_name, one_blank

_PLAIN = re.compile(NAME)
_BLANKS = re.compile(rf"{BLANK}+")
_WIDE_PROPERTY = re.compile(rf"(?:{'|'.join(WIDE_PROPERTIES)})(?![\w$])")
_NEW_PARAMETER = re.compile(rf"{NAME}(?:[\w$\s./'+*-]*[\w$])?")
_PARAMETER_NAME = re.compile(rf"({NAME}(?:\s+{NAME})*){BLANK}*:")

_Patterns = dict[str, tuple[tuple[re.Pattern[str], str], ...]]  # by the plain name that they begin with, longest first


class NameParser(Cursor):
    """Read the rules that end in a name; *names* are those that the caller knows."""

    def __init__(self, text: str, limits: Limits, dialect: Dialect, names: frozenset[str]) -> None:
        super().__init__(text, limits)
        self.standard = dialect is Dialect.STANDARD
        self._given = _patterns(names) if self.standard else {}
        self._learnt: _Patterns = {}

    def known_name(self) -> tuple[str, int] | None:
        """Return the longest known name with blanks or signs that stands here, and its end."""
        if self.token.kind != "name" or not (self._given or self._learnt):
            return None
        found: tuple[str, int] | None = None
        for patterns in (self._given, self._learnt):
            for pattern, name in patterns.get(self.token.text, ()):
                match = pattern.match(self.text, self.token.start)
                if match is not None and (found is None or match.end() > found[1]):
                    found = (name, match.end())
        return found

    def learn(self, name: str) -> None:
        """Know *name* from here on, if it is not a plain one."""
        if not self.standard or _PLAIN.fullmatch(name):
            return
        for first, patterns in _patterns(frozenset({name})).items():
            self._learnt[first] = (*self._learnt.get(first, ()), *patterns)

    def name(self, expected: str) -> str:
        """Read one name; *expected* names it in an error."""
        if self.token.kind == "quoted":
            return self.advance().text[1:-1]
        known = self.known_name()
        if known is not None:
            self.jump(known[1])
            return known[0]
        if not is_name(self.token):
            self.fail(expected)
        return self.advance().text

    def new_name(self, expected: str) -> str:
        """Read a name that the text itself gives; in the standard dialect it may hold blanks, and is learnt."""
        name = self.name(expected)
        while self.standard and is_name(self.token):
            name += " " + self.advance().text
        self.learn(name)
        return name

    def new_parameter(self) -> str:
        """Read the name of a parameter that a function literal gives; in the standard dialect it may hold signs too."""
        found = _NEW_PARAMETER.match(self.text, self.token.start) if self.standard else None
        if found is None or not is_name(self.token):
            return self.new_name("the name of a parameter")
        self.jump(found.end())
        name = one_blank(found.group())
        self.learn(name)
        return name

    def property_name(self) -> str:
        """Read the name of an entry or a property behind a dot."""
        found = None if self.known_name() else _WIDE_PROPERTY.match(self.text, self.token.start)
        if found is None:
            return self.name("the name of a property")
        self.jump(found.end())
        return found.group()

    def at_parameter_name(self) -> bool:
        """Tell whether the name of a parameter and a colon stand here."""
        return self._parameter() is not None

    def parameter_name(self) -> str:
        """Read the name of a parameter and the colon behind it."""
        found = self._parameter()
        if found is None:
            self.fail("the name of a parameter and ':'")
        self.jump(found[1])
        return found[0]

    def _parameter(self) -> tuple[str, int] | None:
        known = self.known_name()
        if known is not None:
            colon = re.compile(rf"{BLANK}*:").match(self.text, known[1])
            return None if colon is None else (known[0], colon.end())
        found = _PARAMETER_NAME.match(self.text, self.token.start)
        return None if found is None else (found[1], found.end())


@lru_cache(maxsize=64)
def _patterns(names: frozenset[str]) -> _Patterns:
    """Return patterns that find those *names* that are no plain ones; blanks in them stand for any white space."""
    patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for name in sorted(names, key=len, reverse=True):
        first = _PLAIN.match(name)
        if first is None or first.end() == len(name):
            continue
        words = rf"{BLANK}+".join(map(re.escape, _BLANKS.split(name)))
        end = r"(?![\w$])" if re.match(r"[\w$]", name[-1]) else ""
        patterns.setdefault(first.group(), []).append((re.compile(words + end), name))
    return {first: tuple(found) for first, found in patterns.items()}
