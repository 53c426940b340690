# ruff: noqa: ARG001  # every built-in function takes the run first
"""Define the built-in functions over strings. Lengths and positions count code points (DMN 1.5, 10.3.4.3), from 1."""

import base64

from osmia_broker.feel import numbers
from osmia_broker.feel.functions import regex
from osmia_broker.feel.functions.registry import Edition, builtin
from osmia_broker.feel.run import Run
from osmia_broker.feel.values import Number, Value


@builtin("substring(string: string, start position: number)")
def substring(run: Run, text: str, position: Number) -> str | None:
    """Return the text from *position* (negative: counted from the end) to the end; null beyond the text."""
    start = _start(len(text), position)
    return None if start is None else text[start:]


@builtin("substring(string: string, start position: number, length: number)")
def substring_of_length(run: Run, text: str, position: Number, length: Number) -> str | None:
    """Return at most *length* characters from *position*; null for a negative length."""
    start, count = _start(len(text), position), numbers.whole(length)
    return None if start is None or count < 0 else text[start : start + count]


def _start(length: int, position: Number) -> int | None:
    index = numbers.whole(position)
    start = index - 1 if index > 0 else length + index
    return start if 0 <= start <= length else None


@builtin("string length(string: string)")
def string_length(run: Run, text: str) -> int:
    """Return the number of characters, each of which is one code point."""
    return len(text)


@builtin("upper case(string: string)")
def upper_case(run: Run, text: str) -> str:
    """Return the text in capitals."""
    return text.upper()


@builtin("lower case(string: string)")
def lower_case(run: Run, text: str) -> str:
    """Return the text in small letters."""
    return text.lower()


@builtin("substring before(string: string, match: string)")
def substring_before(run: Run, text: str, match: str) -> str:
    """Return the text before the first *match*; empty if there is none."""
    position = text.find(match)
    return text[:position] if position > 0 else ""


@builtin("substring after(string: string, match: string)")
def substring_after(run: Run, text: str, match: str) -> str:
    """Return the text after the first *match*; empty if there is none."""
    position = text.find(match)
    return "" if position < 0 else text[position + len(match) :]


@builtin("contains(string: string, match: string)")
def contains(run: Run, text: str, match: str) -> bool:
    """Tell whether *match* stands anywhere in the text."""
    return match in text


@builtin("starts with(string: string, match: string)")
def starts_with(run: Run, text: str, match: str) -> bool:
    """Tell whether the text begins with *match*."""
    return text.startswith(match)


@builtin("ends with(string: string, match: string)")
def ends_with(run: Run, text: str, match: str) -> bool:
    """Tell whether the text ends with *match*."""
    return text.endswith(match)


@builtin("matches(input: string, pattern: string)")
def matches(run: Run, text: str, pattern: str) -> bool | None:
    """Tell whether the regular expression is found anywhere; null for a faulty one."""
    return matches_with_flags(run, text, pattern, "")


@builtin("matches(input: string, pattern: string, flags: string)")
def matches_with_flags(run: Run, text: str, pattern: str, flags: str) -> bool | None:
    """Tell the same with the flags i, s, m, x."""
    return regex.found(run, text, pattern, flags)


@builtin("matches(input: string, pattern: string, flags: string?)", edition=Edition.STANDARD)
def matches_with_known_flags(run: Run, text: str, pattern: str, flags: str | None) -> bool | None:
    """Tell the same; null for a flag that is none of i, s, m, x (XPath functions and operators, 5.6.2)."""
    letters = flags or ""
    if not set(letters) <= set("ismx"):
        return None
    if "x" in letters:
        pattern = regex.without_blanks(pattern)
    return regex.found(run, text, pattern, letters.replace("x", ""))


@builtin("replace(input: string, pattern: string, replacement: string)")
def replace(run: Run, text: str, pattern: str, replacement: str) -> str | None:
    """Return the text with all matches replaced; `$1` in *replacement* is the first group."""
    return replace_with_flags(run, text, pattern, replacement, "")


@builtin("replace(input: string, pattern: string, replacement: string, flags: string)")
def replace_with_flags(run: Run, text: str, pattern: str, replacement: str, flags: str) -> str | None:
    """Return the same with the flags i, s, m, x."""
    return regex.replaced(run, text, pattern, flags, replacement)


@builtin("split(string: string, delimiter: string)")
def split(run: Run, text: str, delimiter: str) -> list[str] | None:
    """Return the parts between the matches of the regular expression *delimiter*, empty ones too."""
    return regex.parts(run, text, delimiter)


@builtin("extract(input: string, pattern: string)")
def extract(run: Run, text: str, pattern: str) -> list[str] | None:
    """Return all matches of the regular expression, each whole."""
    return regex.all_found(run, text, pattern)


_WHITE = "".join(map(chr, range(33)))  # the characters that Java's trim takes off


@builtin("trim(string: string)")
def trim(run: Run, text: str) -> str:
    """Return the text without blanks and control characters at both ends."""
    return text.strip(_WHITE)


@builtin("is blank(string: string)", edition=Edition.LATER)
def is_blank(run: Run, text: str) -> bool:
    """Tell whether the text is empty or holds only white space."""
    return not text.strip()


@builtin("uuid()")
def uuid(run: Run) -> str:
    """Return a random identifier."""
    from uuid import uuid4  # loading it costs more than most processes ever need

    return str(uuid4())


@builtin("to base64(value: string)")
def to_base64(run: Run, text: str) -> str:
    """Return the text's UTF-8 in base 64."""
    return base64.b64encode(text.encode()).decode()


@builtin("string join(list: list)")
def string_join(run: Run, items: list[Value]) -> str | None:
    """Return all strings in one."""
    return string_join_around(run, items, "", "", "")


@builtin("string join(list: list, delimiter: string?)")
def string_join_with(run: Run, items: list[Value], delimiter: str | None) -> str | None:
    """Return all strings in one, *delimiter* between them."""
    return string_join_around(run, items, delimiter, "", "")


@builtin("string join(list: list, delimiter: string?, prefix: string, suffix: string)")
def string_join_around(run: Run, items: list[Value], delimiter: str | None, prefix: str, suffix: str) -> str | None:
    """Return the same between *prefix* and *suffix*; nulls are left out, an item of another type makes it null."""
    texts = [item for item in items if item is not None]
    if not all(type(text) is str for text in texts):
        run.warn_of_call("string join", "expected a list of strings but found '{}'", items)
        return None
    run.made_string(sum(map(len, texts)) + len(texts) * len(delimiter or ""))
    return prefix + (delimiter or "").join(texts) + suffix
