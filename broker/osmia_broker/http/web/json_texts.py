"""Reads JSON that a person has typed, and says in their words and at their line what is wrong with it."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

LARGE_CHARACTERS = 65_536  # a longer text is only looked through: to make its values could take a second, in which nobody else is served
_is_well_formed = msgspec.json.Decoder(msgspec.Raw).decode
_LARGE_NUMBER = re.compile(r"\d[eE]\+?\d|\d{300}")
_PLACE = re.compile(r"(?P<reason>.*?) \(byte (?P<byte>\d+)\)$")
_TOKEN = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[{}]')
NAME_MAX = 40  # characters of a name in a sentence
DEPTH_MAX = 500  # of arrays and objects inside of each other; the broker takes no deeper values


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of a text: the reason, and the place, counted from 1."""

    reason: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"Not valid JSON: {self.reason} (line {self.line}, column {self.column})."


def json_fault(text: str) -> Fault | None:
    """Return what keeps *text* from being JSON; None if nothing does."""
    if len(text) > LARGE_CHARACTERS:
        return _fault_of_large(text)
    fault, _ = _read(text)
    return fault


def object_fault(text: str) -> Fault | None:
    """Return what keeps *text* from being a JSON object; None if nothing does."""
    if len(text) > LARGE_CHARACTERS:
        fault, is_object, found = _fault_of_large(text), text.lstrip()[:1] == "{", "another value"
    else:
        fault, value = _read(text)
        is_object, found = isinstance(value, dict), _named(value)
    if fault is None and not is_object:
        return Fault(f'expected an object such as {{"amount": 12}}, but found {found}', 1, 1)
    return fault


def object_in(text: str) -> dict[str, Any]:
    """Return the JSON object that a form has sent; an empty one if the form has sent nothing, or something else."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.MsgspecError:
        return {}


def json_of(typed: str) -> str:
    """Return what was typed as JSON: itself if it is JSON, else the text as a JSON text."""
    text = typed.strip()
    return text if json_fault(text) is None else as_text(text)


def as_text(typed: str) -> str:
    """Return what was typed as a JSON text."""
    return json.dumps(typed, ensure_ascii=False)


def _read(text: str) -> tuple[Fault | None, Any]:
    if not text.strip():
        return Fault("expected a value, but found nothing", 1, 1), None
    try:
        return None, json.loads(text, parse_constant=_refuse, parse_float=_number, object_pairs_hook=_members)
    except _Repeated:
        return _repetition(text), None
    except json.JSONDecodeError as fault:
        return Fault(_in_words(fault), fault.lineno, fault.colno), None
    except RecursionError:
        return Fault(f"it is nested deeper than {DEPTH_MAX} levels", 1, 1), None
    except ValueError as fault:
        return Fault(str(fault), 1, 1), None


def _fault_of_large(text: str) -> Fault | None:
    """Return what keeps a large text from being JSON, without making its values."""
    try:
        _is_well_formed(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as fault:
        found = _PLACE.fullmatch(str(fault))
        before = (
            text.encode("utf-8", "surrogatepass")[: int(found["byte"])].decode("utf-8", "replace") if found else text
        )
        reason = (found["reason"] if found else str(fault)).removeprefix("JSON is malformed: ")
        return Fault(reason, before.count("\n") + 1, len(before) - before.rfind("\n"))
    except RecursionError:
        return Fault(f"it is nested deeper than {DEPTH_MAX} levels", 1, 1)
    return _read(text)[0] if _LARGE_NUMBER.search(text) else None


class _Repeated(ValueError):
    """A name stands twice in one object."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise _Repeated
    return members


def _repetition(text: str) -> Fault | None:
    """Return the fault of the first name that stands twice in one object. *text* is JSON as far as that."""
    open_objects: list[set[str]] = []
    for token in _TOKEN.finditer(text):
        if token[0] == "{":
            open_objects.append(set())
        elif token[0] == "}":
            open_objects.pop()
        elif token["name"]:
            name, names, at = json.loads(token["name"]), open_objects[-1], token.start()
            if name in names:
                shown = token["name"] if len(token["name"]) <= NAME_MAX else token["name"][:NAME_MAX] + "…"
                reason = f"the name {shown} stands twice in one object"
                return Fault(reason, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
            names.add(name)
    return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")


def _number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _in_words(fault: json.JSONDecodeError) -> str:
    """Return the reason as a sentence that names what was found."""
    found = fault.doc[fault.pos : fault.pos + 1]
    found = f"'{found}'" if found.strip() else "the end" if not found else "a blank"
    reasons = {
        "Expecting value": f"expected a value, but found {found}",
        "Expecting property name enclosed in double quotes": f"expected a name in double quotes, but found {found}",
        "Expecting ':' delimiter": f"expected a colon behind the name, but found {found}",
        "Expecting ',' delimiter": f"expected a comma or the end, but found {found}",
        "Extra data": f"expected the end, but found {found}",
        "Illegal trailing comma before end of object": "a comma stands before the end of the object",
        "Illegal trailing comma before end of array": "a comma stands before the end of the list",
    }
    return reasons.get(fault.msg, fault.msg[:1].lower() + fault.msg[1:])


def _named(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
