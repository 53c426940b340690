"""Parse and compile files that are deployed; the kind is the ending of the name. Slow for a large model, so never called on the event loop.

The extension file of an Activiti process belongs to the BPMN file of the same name: `order-extensions.json` to `order.bpmn`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256

import msgspec
from msgspec.structs import replace

from osmia_broker import model
from osmia_broker.base import text_files
from osmia_broker.base.errors import InvalidArgument
from osmia_broker.base.system_errors import in_words
from osmia_broker.engine.commands import NewResource
from osmia_broker.model import extension_files, warnings, xml
from osmia_broker.model.expressions import Static
from osmia_broker.model.faults import Fault, InvalidModel, quote
from osmia_broker.model.graph import Process
from osmia_broker.state.storable import is_storable
from osmia_broker.state.tables.definitions import Compiled

_PREFIX = "Expected to deploy new resources, but encountered the following errors:\n"


_Form = tuple[str, str]  # id and version tag of a form
_NO_FORM: _Form = ("", "")
NO_RESOURCE = "Expected to deploy at least one resource, but none given"


class BadResource(Exception):
    """Raised for a file that cannot be deployed; the text gives the reason."""


def compile_resources(files: list[tuple[str, bytes]]) -> tuple[NewResource, ...]:
    """Parse and compile files given as (name, content).

    Raises:
        InvalidArgument: there are none, or some are bad; the text names every fault of every file.

    """
    if not files:
        raise InvalidArgument(NO_RESOURCE)
    resources, faults = [], []
    for name, content in files:
        try:
            resources.append(compile_resource(name, content))
        except BadResource as fault:
            faults.append(in_file(name, fault))
    if not faults:
        resources, faults = _with_extensions(resources)
    faults = faults or [*_duplicates(resources), *_not_together(resources)]
    if faults:
        raise refusal(faults)
    return tuple(resources)


def in_file(name: str, fault: object) -> str:
    """Put the name of a file before a fault of it."""
    return f"'{name}': {fault}"


def refusal(faults: Iterable[str]) -> InvalidArgument:
    """Make the refusal of a deployment with these faults, each with the name of its file."""
    return InvalidArgument(_PREFIX + "\n".join(faults))


def ids_of(resource: NewResource) -> list[tuple[str, str]]:
    """Return what a file defines: kind and id of each, which are unique in a deployment."""
    if resource.kind == "bpmn":
        return [("process", id) for id in resource.compiled.processes]
    if resource.kind == "form":
        return [("form", resource.form_id)]
    graph = resource.compiled.decisions
    return [("decision requirements", graph.id), *(("decision", decision.id) for decision in graph.decisions)]


def warnings_of(resources: Iterable[NewResource]) -> list[str]:
    """Return a line for each thing in the files of processes that can be deployed and probably does not do what its author meant."""
    told: list[str] = []
    for resource in resources:
        if resource.kind == "bpmn":
            processes = tuple(resource.compiled.processes.values())
            told += [
                warnings.text(resource.name, one) for one in warnings.of_file(xml.read(resource.content), processes)
            ]
            told += _about_extensions(resource, processes)
    return told


def _about_extensions(resource: NewResource, processes: Iterable[Process]) -> Iterator[str]:
    if (file := resource.extensions) is not None:
        for process in processes:
            if found := file.compiled.extensions.get(process.id):
                yield from (warnings.text(file.name, one) for one in warnings.of_extensions(process, found))


def _duplicates(resources: Iterable[NewResource]) -> Iterator[str]:
    """Yield the faults of two files, or of one that is given twice, which define the same."""
    owners: dict[tuple[str, str], NewResource] = {}
    for resource in resources:
        for what, id in ids_of(resource):
            other = owners.setdefault((what, id), resource)
            if other is not resource:
                yield f"Duplicated {what} id in resources '{other.name}' and '{resource.name}'"


def _not_together(resources: Iterable[NewResource]) -> Iterator[str]:
    """Yield the faults of files that refer, with `bindingType="deployment"`, to what is not deployed with them.

    Where a reference is an expression, what it leads to is known only when its element is entered.
    """
    there = {defined for resource in resources for defined in ids_of(resource)}
    for resource in resources:
        faults = [
            Fault(
                element.id,
                f"{quote(element.id)} > extensionElements > {tag}",
                f"Expected to find {kind} with id '{quote(id.text)}' in current deployment, but not found. Deploy the file of that {kind} together with this one",
                name=element.name,
            )
            for process in resource.compiled.processes.values()
            for element, tag, kind, id in process.bound_to_deployment
            if isinstance(id, Static) and (kind, id.text) not in there
        ]
        if faults:
            yield in_file(resource.name, InvalidModel(resource.name, faults))


def _with_extensions(resources: list[NewResource]) -> tuple[list[NewResource], list[str]]:
    """Give each BPMN file its extension file; return the other resources as they are, and the faults."""
    faults: list[str] = []
    files = [one for one in resources if one.kind == _EXTENSIONS]
    extensions = {extension_files.stem_of(one.name): one for one in files}
    faults += [
        in_file(one.name, "Expected one file of this name, but found two")
        for one in files
        if one not in extensions.values()
    ]
    bpmn = [one for one in resources if one.kind == "bpmn"]
    owners = {id(_owner(one, bpmn, extensions)): one for one in extensions.values()}
    kept = [
        replace(one, extensions=owners[id(one)]) if id(one) in owners else one
        for one in resources
        if one.kind != _EXTENSIONS
    ]
    for stem, one in extensions.items():
        processes = [resource for resource in kept if resource.extensions is one]
        if not processes:
            faults.append(
                in_file(
                    one.name,
                    f"Expected the BPMN file '{stem}.bpmn', or one with a process that it names, in the same deployment, but found none",
                )
            )
        faults += [in_file(one.name, fault) for resource in processes for fault in _mismatches(resource, one)]
    return kept, faults


def _owner(
    extensions: NewResource, bpmn: Iterable[NewResource], named: Mapping[str, NewResource]
) -> NewResource | None:
    """Return the BPMN file of an extension file: the one of the same name, else one that has a process which it names, as in Activiti."""
    stem = extension_files.stem_of
    same = (one for one in bpmn if stem(one.name) == stem(extensions.name))
    ids = extensions.compiled.extensions.keys()
    fitting = (one for one in bpmn if stem(one.name) not in named and ids & one.compiled.processes.keys())
    return next(same, None) or next(fitting, None)


def _mismatches(resource: NewResource, extensions: NewResource) -> Iterator[str]:
    """Yield the reasons why an extension file does not fit its BPMN file."""
    processes = resource.compiled.processes
    known = ", ".join(f"'{id}'" for id in processes)
    for id in extensions.compiled.extensions:
        if id not in processes:
            yield f"Expected extensions of the processes of '{resource.name}' ({known}), but found '{quote(id)}'"
    for id, process in processes.items():
        if not process.is_extensible:
            yield f"Expected process '{id}' of '{resource.name}' to be written in the Activiti dialect, but found elements of 'zeebe:'"


def compile_resource(name: str, content: bytes) -> NewResource:
    """Parse and compile one file.

    Raises:
        BadResource: its name or its content is not of a kind that can be deployed.

    """
    kind = kind_of(name)
    compiled, form = _COMPILE[kind](name, content)
    return NewResource(name, kind, content, sha256(content).hexdigest(), compiled, *form)


def kind_of(name: str) -> str:
    """Return the kind of a file by the ending of its name, which is case-sensitive."""
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
    from osmia_broker import dmn  # loaded with the first decision only

    try:
        return Compiled({}, dmn.parse(name, content)), _NO_FORM
    except dmn.InvalidModel as fault:
        raise BadResource(str(fault).removeprefix(f"'{name}': ")) from fault


def _compile_extensions(_name: str, content: bytes) -> tuple[Compiled, _Form]:
    try:
        return Compiled({}, extensions=extension_files.parse(content)), _NO_FORM
    except extension_files.InvalidExtensions as fault:
        raise BadResource(str(fault)) from fault


class _FormFile(msgspec.Struct, rename={"version_tag": "versionTag"}):
    id: str | None = None
    version_tag: str | None = None


def _compile_form(_name: str, content: bytes) -> tuple[Compiled, _Form]:
    try:
        form = msgspec.json.decode(text_files.decoded(content), type=_FormFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise BadResource(_form_fault(content, fault)) from fault
    if form.id is None:
        raise BadResource("Expected the form id to be present, but none given")
    if not form.id.strip():
        raise BadResource("Expected the form id to be filled, but it is blank")
    if not (is_storable(form.id) and is_storable(form.version_tag or "")):
        raise BadResource(
            "Expected the id and the version tag of a form to be texts that can be stored, but found a NUL character or half a surrogate pair"
        )
    return Compiled({}), (form.id, (form.version_tag or "").strip())


def _form_fault(content: bytes, fault: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Say in words why a file is no form."""
    if not content.strip():
        return "Expected a form as a JSON object, but found an empty file"
    if isinstance(fault, UnicodeDecodeError):
        return f"Expected a form as a JSON object, but found {in_words(fault)}"
    if not isinstance(fault, msgspec.ValidationError):
        where = text_files.place_of_fault(text_files.decoded(content), str(fault))
        return f"Expected a form as a JSON object, but found no JSON{where}"
    if "`$." in str(fault):
        return "Expected the id and the version tag of a form to be texts, but found another value"
    return "Expected a form as a JSON object, but found another JSON value"


_EXTENSIONS = "extensions"
_KINDS = {
    ".bpmn": "bpmn",
    ".xml": "bpmn",
    ".dmn": "dmn",
    ".form": "form",
    extension_files.SUFFIX: _EXTENSIONS,
}
_COMPILE: dict[str, Callable[[str, bytes], tuple[Compiled, _Form]]] = {
    "bpmn": _compile_bpmn,
    "dmn": _compile_dmn,
    "form": _compile_form,
    _EXTENSIONS: _compile_extensions,
}
