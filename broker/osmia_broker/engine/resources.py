"""Parse and compile files that are deployed; the ending of the name says the kind. Slow for a large model, so never called on the event loop."""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from osmia_broker import dmn, model
from osmia_broker.engine.commands import NewResource
from osmia_broker.engine.incidents import storable
from osmia_broker.errors import InvalidArgument
from osmia_broker.state.definitions import Compiled

PREFIX = "Expected to deploy new resources, but encountered the following errors:\n"


_Form = tuple[str, str]  # id and version tag of a form
_NO_FORM: _Form = ("", "")


class BadResource(Exception):
    """Raised for a file that cannot be deployed; the text gives the reason."""


def compile_resources(files: list[tuple[str, bytes]]) -> tuple[NewResource, ...]:
    """Parse and compile files given as (name, content).

    Raises:
        InvalidArgument: there are none, or some are bad; the text names every fault of every file.

    """
    if not files:
        raise InvalidArgument("Expected to deploy at least one resource, but none given")
    resources, faults = [], []
    for name, content in files:
        try:
            resources.append(compile_resource(name, content))
        except BadResource as fault:
            faults.append(f"'{name}': {fault}")
    if faults:
        raise InvalidArgument(PREFIX + "\n".join(faults))
    return tuple(resources)


def compile_resource(name: str, content: bytes) -> NewResource:
    """Parse and compile one file.

    Raises:
        BadResource: its name or its content is not of a kind that can be deployed.

    """
    kind = kind_of(name)
    compiled, form = _COMPILE[kind](name, content)
    return NewResource(name, kind, content, sha256(content).hexdigest(), compiled, *form)


def kind_of(name: str) -> str:
    """Return the kind of a file by the ending of its name, which is case-sensitive (gateway-rpc.md, DeployResource)."""
    for ending, kind in _KINDS.items():
        if name.endswith(ending):
            return kind
    raise BadResource("unknown resource type")


def _compile_bpmn(name: str, content: bytes) -> tuple[Compiled, _Form]:
    try:
        processes = model.parse(name, content)
    except model.InvalidModel as fault:
        raise BadResource(str(fault)) from fault
    return Compiled({process.id: process for process in processes}), _NO_FORM


def _compile_dmn(name: str, content: bytes) -> tuple[Compiled, _Form]:
    try:
        return Compiled({}, dmn.parse(name, content)), _NO_FORM
    except dmn.InvalidModel as fault:
        raise BadResource(str(fault).removeprefix(f"'{name}': ")) from fault


class _FormFile(msgspec.Struct, rename={"version_tag": "versionTag"}):
    id: str | None = None
    version_tag: str | None = None


def _compile_form(_name: str, content: bytes) -> tuple[Compiled, _Form]:
    try:
        form = msgspec.json.decode(content, type=_FormFile)
    except msgspec.DecodeError as fault:
        raise BadResource(f"Expected a form as a JSON object, but found: {fault}") from fault
    if form.id is None:
        raise BadResource("Expected the form id to be present, but none given")
    if not form.id.strip():
        raise BadResource("Expected the form id to be filled, but it is blank")
    if any(storable(text) != text for text in (form.id, form.version_tag or "")):
        raise BadResource(
            "Expected the id and the version tag of a form to be texts that can be stored, but found a NUL character or half a surrogate pair"
        )
    return Compiled({}), (form.id, (form.version_tag or "").strip())


_KINDS = {".bpmn": "bpmn", ".xml": "bpmn", ".dmn": "dmn", ".form": "form"}
_COMPILE: dict[str, Callable[[str, bytes], tuple[Compiled, _Form]]] = {
    "bpmn": _compile_bpmn,
    "dmn": _compile_dmn,
    "form": _compile_form,
}
