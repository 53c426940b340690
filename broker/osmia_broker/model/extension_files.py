"""Read the extension file of an Activiti process: `<name>-extensions.json` beside `<name>.bpmn`.

It declares the variables of the processes in the BPMN file, and which variables go into and out of their elements. `assignments` and
`templates` tell the modeller's own story and are not used: the attributes of the BPMN file decide.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from osmia_broker.base import text_files
from osmia_broker.base.edits import nearest
from osmia_broker.base.system_errors import in_words
from osmia_broker.model import json_patch
from osmia_broker.model.faults import quote
from osmia_broker.model.json_patch import FaultyPatch, Operation
from osmia_broker.model.templates import FaultyTemplate, Template

SUFFIX = "-extensions.json"
BPMN_SUFFIXES = (".bpmn20.xml", ".bpmn.xml", ".bpmn", ".xml")  # the longest first
_FAULT = "but found a fault"  # what is no JSON at all
FAULTS_MAX = 20  # an answer names no more: it must fit into HTTP/2 headers

VARIABLE, VALUE, JSONPATCH = "variable", "value", "jsonpatch"
TYPES = ("string", "integer", "boolean", "json", "bigdecimal", "date", "datetime", "array", "file", "folder", "content")
# The members of an extension file that describe the extensions of a process.
_PARTS = frozenset({"properties", "mappings", "constants", "assignments", "templates"})
_SOURCES = (VARIABLE, VALUE, JSONPATCH)
_ALL_INPUTS = frozenset({"MAP_ALL", "MAP_ALL_INPUTS"})
_ALL_OUTPUTS = frozenset({"MAP_ALL", "MAP_ALL_OUTPUTS"})


class InvalidExtensions(Exception):
    """An extension file that cannot be deployed; the text has the form of `faults`, with paths in the file for elements."""


@dataclass(frozen=True, slots=True)
class ProcessVariable:
    """A declared variable of a process. *default* is None where the file gives no value."""

    name: str
    type: str
    is_required: bool = False
    default: Template | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a mapped value comes from: the variable *name*, the *value* of the file, or a *patch* of the target with the values in *value*."""

    kind: str
    name: str = ""
    value: Template | None = None
    patch: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class ElementMapping:
    """The variables that go into and out of an element. None: all of them."""

    inputs: Mapping[str, Source] | None = None
    outputs: Mapping[str, Source] | None = None
    constants: Mapping[str, Any] = field(default_factory=dict)
    is_written: bool = True  # the file has an entry under `mappings`; without, only constants


@dataclass(frozen=True, slots=True)
class ProcessExtensions:
    """The extensions of one process: its variables by name, and the mappings of its elements by id."""

    variables: Mapping[str, ProcessVariable]
    mappings: Mapping[str, ElementMapping]


def stem_of(name: str) -> str:
    """Return the part of a file's name that a BPMN file and its extension file have in common."""
    return next((name.removesuffix(one) for one in (SUFFIX, *BPMN_SUFFIXES) if name.endswith(one)), name)


def parse(content: bytes) -> Mapping[str, ProcessExtensions]:
    """Read an extension file: the extensions of each process, by its id.

    Raises:
        InvalidExtensions: the file has faults.
    """
    return _Reading().file(_decoded(content))


def _decoded(content: bytes) -> Any:
    from osmia_broker.feel.json_text import from_json  # numbers keep their digits

    try:
        text = text_files.decoded(content)
        return from_json(text)
    except UnicodeDecodeError as error:
        raise InvalidExtensions(f"Expected JSON, but found {in_words(error)}") from error
    except ValueError as error:
        what, is_fault, said = str(error).partition(_FAULT)
        place = text_files.place_of_fault(text, said) if is_fault else ""
        raise InvalidExtensions(f"{what}{is_fault}{place}") from error


class _Reading:
    """The reading of one file; it collects all faults."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def file(self, content: Any) -> Mapping[str, ProcessExtensions]:
        extensions = content.get("extensions", {}) if isinstance(content, dict) else None
        if not isinstance(extensions, dict):
            raise InvalidExtensions("Expected a JSON object with an object 'extensions', but found another value")
        id = content.get("id")
        if isinstance(id, str) and id and extensions and extensions.keys() <= _PARTS:
            read = {id: self._process("extensions", extensions)}  # as Activiti wrote it first: one process in a file
        else:
            read = {id: self._process(f"extensions.{id}", one) for id, one in extensions.items()}
        if self._faults:
            raise InvalidExtensions("\n".join(self._faults[:FAULTS_MAX]))
        return read

    def _fault(self, where: str, reason: str) -> None:
        self._faults.append(f"- Element: {quote(where)}\n    - ERROR: {reason}")

    def _object(self, where: str, value: Any) -> dict[str, Any]:
        """Return *value* if it is an object; nothing counts as an empty one."""
        if isinstance(value, dict):
            return value
        if value is not None:
            self._fault(where, "Expected a JSON object, but found another value")
        return {}

    def _process(self, where: str, value: Any) -> ProcessExtensions:
        given = self._object(where, value)
        variables = {one.name: one for one in self._variables(f"{where}.properties", given.get("properties"))}
        mappings = {
            id: self._mapping(f"{where}.mappings.{id}", one)
            for id, one in self._object(f"{where}.mappings", given.get("mappings")).items()
            if one is not None
        }
        for id, one in self._object(f"{where}.constants", given.get("constants")).items():
            constants = self._constants(f"{where}.constants.{id}", one)
            if constants:
                before = mappings.get(id, ElementMapping(is_written=False))
                mappings[id] = ElementMapping(before.inputs, before.outputs, constants, before.is_written)
        return ProcessExtensions(variables, mappings)

    def _variables(self, where: str, value: Any) -> Iterator[ProcessVariable]:
        names: set[str] = set()
        for id, one in self._object(where, value).items():
            at = f"{where}.{id}"
            given = self._object(at, one)
            name, type, required = given.get("name"), given.get("type", "json"), given.get("required")
            if not isinstance(name, str) or not name:
                self._fault(at, "Expected a variable to have a 'name', but found none")
                continue
            self._check_name(at, name)
            if name in names:
                self._fault(at, f"Expected one variable with the name '{quote(name)}', but found two")
            if not isinstance(type, str):
                self._fault(
                    at, f"Expected the 'type' of variable '{quote(name)}' to be a text, but found another value"
                )
                continue
            if near := _misspelt_type(type):
                self._fault(
                    at,
                    f"Expected a known 'type' of variable '{quote(name)}', but found '{quote(type)}'; did you mean '{near}'?",
                )
            if not isinstance(required, bool | None):
                self._fault(
                    at, f"Expected 'required' of variable '{quote(name)}' to be true or false, but found another value"
                )
            names.add(name)
            default = None if given.get("value") is None else self._template(at, given["value"])
            yield ProcessVariable(name, type.lower(), required is True, default)

    def _check_name(self, where: str, name: str) -> None:
        """Refuse a name that a variable cannot have: no store keeps it."""
        if not name or "\0" in name or not _is_unicode(name):
            self._fault(where, f"Expected the name of a variable, but found '{quote(name)}'")

    def _template(self, where: str, value: Any) -> Template | None:
        try:
            return Template(value)
        except FaultyTemplate as fault:
            self._fault(where, str(fault))
            return None

    def _mapping(self, where: str, value: Any) -> ElementMapping:
        given = self._object(where, value)
        kind = given.get("mappingType")
        if kind is not None and kind not in _ALL_INPUTS | _ALL_OUTPUTS:
            self._fault(
                where,
                f"Expected 'mappingType' to be one of MAP_ALL, MAP_ALL_INPUTS, MAP_ALL_OUTPUTS, but found '{quote(str(kind))}'",
            )
        inputs = self._sources(f"{where}.inputs", given.get("inputs"))
        outputs = self._sources(f"{where}.outputs", given.get("outputs"))
        return ElementMapping(None if kind in _ALL_INPUTS else inputs, None if kind in _ALL_OUTPUTS else outputs)

    def _sources(self, where: str, value: Any) -> Mapping[str, Source]:
        given = self._object(where, value)
        read = {target: self._source(f"{where}.{target}", one) for target, one in given.items()}
        for target in given:
            self._check_name(where, target)
        return {target: source for target, source in read.items() if source is not None}

    def _source(self, where: str, value: Any) -> Source | None:
        given = self._object(where, value)
        kind = str(given.get("type", "")).lower()
        if kind not in _SOURCES:
            found = f"'{quote(str(given['type']))}'" if "type" in given else "none"
            self._fault(where, f"Expected a 'type' of variable, value or jsonpatch, but found {found}")
            return None
        source = given.get("value")
        if kind == VARIABLE:
            if isinstance(source, str) and source:
                return Source(kind, source)
            found = "another value" if given.get("value") is not None else "none"
            self._fault(where, f"Expected 'value' to be the name of a variable, but found {found}")
            return None
        return self._patch(where, source) if kind == JSONPATCH else Source(kind, value=self._template(where, source))

    def _patch(self, where: str, value: Any) -> Source | None:
        try:
            operations = json_patch.read(value)
        except FaultyPatch as fault:
            self._fault(where, str(fault))
            return None
        return Source(JSONPATCH, value=self._template(where, [one.value for one in operations]), patch=operations)

    def _constants(self, where: str, value: Any) -> dict[str, Any]:
        constants = {}
        for name, one in self._object(where, value).items():
            self._check_name(where, name)
            given = self._object(f"{where}.{name}", one)
            constants[name] = given.get("value")
        return constants


def _misspelt_type(type: str) -> str:
    """Return the type that *type* is a misspelling of; empty if it is known, or near none: such a one is JSON, as in Activiti."""
    return "" if type.lower() in TYPES else nearest(type.lower(), TYPES, likeness=0.8)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
