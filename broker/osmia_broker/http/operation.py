"""Operations: each a function with a method and a path, found by the router and described in the OpenAPI document.

    @operation("POST", "/user-tasks/{userTaskKey}/assignment", tag="User task", status=204)
    async def assign_user_task(call: Call, user_task_key: Key, body: Assignment) -> None:
        '''Assign a user task.'''

Parameters of the path are taken by name, as keys or as text. A parameter *body* is read from the JSON of the request; with a default,
the request may come without a body. The answer is a struct, which is sent as JSON with *status*; None, for an empty answer; or a
`Reply`, for other media. The first line of the docstring is the summary in the OpenAPI document.
"""

import inspect
import re
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints
from urllib.parse import parse_qs

import msgspec

from osmia_broker.auth import Guard
from osmia_broker.calls import Caller, Calls
from osmia_broker.calls.broker_identity import BrokerIdentity
from osmia_broker.calls.checks import LIST_ITEMS_MAX, key, quoted
from osmia_broker.calls.clock import ClockControl
from osmia_broker.calls.faults import Faults
from osmia_broker.calls.lists import Lists
from osmia_broker.calls.purge import Purge
from osmia_broker.calls.stored_documents import StoredDocuments
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.http import types
from osmia_broker.http.browser_sign_in import SignIn
from osmia_broker.http.misspelt import members_of, refuse_misspelt
from osmia_broker.http.problem import HttpRefusal, bad_request
from osmia_broker.state.json_text import Digits
from osmia_broker.store.read import Reader

BASE = "/v2"  #: the beginning of the paths of the REST API v2
OWN = "/osmia/v1"  #: … and of the operations that are Osmia's own, named as their gRPC services are
BASES = (BASE, OWN)
JSON = "application/json"
MULTIPART = "multipart/form-data"
XML = "text/xml"  # of models
HTML = "text/html; charset=utf-8"
NO_UPLOADS: list["Upload"] = []


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of the broker that operations use."""

    calls: Calls
    reader: Reader
    identity: BrokerIdentity
    grpc_address: tuple[str, int]  # host and port, as Topology names them
    documents: StoredDocuments
    clock: ClockControl | None = None  #: None unless a setting allows to pin the clock
    body_bytes_max: int = 0
    guard: Guard | None = None  #: None while sign-in is off
    sign_in: SignIn | None = None  #: the same for people in a browser
    purge: Purge | None = None  #: None unless a setting allows to delete everything


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, or a field without a file name, of a multipart request."""

    name: str  # of the part
    file_name: str  # empty of a plain field
    media_type: str
    content: bytes


@dataclass(slots=True)
class Call:
    """A request that is being carried out."""

    services: Services
    caller: Caller
    query_text: str = ""
    uploads: list[Upload] = field(default_factory=lambda: NO_UPLOADS)  #: the parts of a multipart request
    scheme: str = "http"  #: https if the request came over TLS

    @property
    def calls(self) -> Calls:
        """The calls that every door offers, for the caller."""
        return self.services.calls.by(self.caller)

    async def require_caller(self) -> None:
        """Find out who calls, if sign-in is on.

        Raises:
            Unauthenticated: the caller has not proved who they are.
            Unavailable, Overloaded: it cannot be checked now.

        """
        if self.services.guard is not None:
            self.caller.signed_in = await self.services.guard.identify(self.caller.authorization)

    @property
    def reader(self) -> Reader:
        """The read side."""
        return self.services.reader

    @property
    def readable(self) -> ReadableTasks:
        """The user tasks that the caller may read."""
        return ReadableTasks(self.reader, self.calls.user_tasks.actor(self.caller))

    @property
    def lists(self) -> Lists:
        """The lists, as the caller may see them."""
        return Lists(self.reader, self.readable)

    @property
    def query(self) -> Mapping[str, list[str]]:
        """The parameters behind the `?` of the address."""
        return parse_qs(self.query_text, keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not the usual JSON. *undelivered* runs if the caller has left before the answer was sent."""

    status: int = 200
    body: bytes = b""
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    undelivered: Callable[[], None] | None = None


Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Asked:
    """A value that a request gives beside its body: a parameter behind the `?` of the address, or a part of a multipart body."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})  # JSON Schema
    is_required: bool = False


FILE: Mapping[str, Any] = {"type": "string", "contentMediaType": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the API."""

    method: str
    base: str  # one of BASES
    path: str  # below the base, with {names} in camel case
    tag: str
    status: int  # of the usual answer
    name: str
    summary: str
    handler: Handler
    path_types: Mapping[str, tuple[str, type]]  # by name in the path: the parameter and its type
    body_type: type | None
    needs_body: bool
    answer_type: Any
    takes: str  # the media type of the request's body
    waits: bool  # it may take long; the caller's leaving is watched
    is_open: bool  # callers need no sign-in: it tells nothing about processes, or asks for one itself
    decode: Callable[[bytes], Any]
    members: frozenset[str]  # of the request's body; empty if it is no object with fixed ones
    query: tuple[Asked, ...]  # described; the handler reads them
    parts: tuple[Asked, ...]  # of a multipart body, likewise
    gives: str  # the media type of an answer that is no JSON; empty for JSON
    also: tuple[int, ...]  # other statuses of an answer that is no refusal; 204 is an empty one

    def arguments(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Convert the values of the path.

        Raises:
            HttpRefusal: one of them is no key.

        """
        arguments: dict[str, Any] = {}
        for name, text in values.items():
            parameter, type_ = self.path_types[name]
            if type_ is str:
                arguments[parameter] = text
                continue
            try:
                arguments[parameter] = key(text)
            except ValueError:
                raise bad_request(f"Failed to convert '{name}' with value: '{quoted(text)}'") from None
        return arguments

    def read_body(self, content: bytes) -> Any:
        """Read the request's JSON.

        Raises:
            HttpRefusal: it is no JSON, or has a member of a wrong type.
            InvalidArgument: its `operationReference` is below 1.

        """
        content = content.removeprefix(BOM_UTF8)  # tools of Windows write it before a file's text
        if not content.strip():
            raise bad_request("Failed to read request: expected JSON, but found an empty body")
        try:
            body = self.decode(content)
            if self.members:
                refuse_misspelt(content, self.members)
        except msgspec.ValidationError as fault:
            raise bad_request(f"Failed to read request: {in_words(str(fault))}") from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as fault:
            raise bad_request(f"Failed to read request: expected JSON, but found a fault: {fault}") from None
        _check_inside(body)
        return body


def _check_inside(body: Any) -> None:
    """Refuse an `operationReference` below 1, and lists with more items together than anybody needs.

    The contract's REST API counts references from 1; gRPC takes any. Filters, which are plain objects, have bounds of their own.

    Raises:
        HttpRefusal: with the member at which the items became too many.
        InvalidArgument: with the reference.

    """
    rest = LIST_ITEMS_MAX
    structs = [body] if isinstance(body, msgspec.Struct) else []
    while structs:
        struct = structs.pop()
        if (reference := getattr(struct, "operation_reference", None)) is not None:
            faults = Faults()
            faults.demand_above("operationReference", reference)
            faults.refuse()
        for member, name in zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True):
            value = getattr(struct, name)
            inside = value if isinstance(value, list) else [value]
            structs += [one for one in inside if isinstance(one, msgspec.Struct)]
            rest -= len(value) if isinstance(value, list) else 0
            if rest < 0:
                raise bad_request(
                    f"Expected the lists of a request to have at most {LIST_ITEMS_MAX} items together, but found more in {member}"
                )


OPERATIONS: list[Operation] = []  #: all of them; filled when `api` is imported

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def operation(
    method: str,
    path: str,
    *,
    tag: str,
    status: int = 200,
    takes: str = JSON,
    waits: bool = False,
    is_open: bool = False,
    base: str = BASE,
    query: tuple[Asked, ...] = (),
    parts: tuple[Asked, ...] = (),
    gives: str = "",
    also: tuple[int, ...] = (),
) -> Callable[[H], H]:
    """Register the decorated function as the operation *method* *path*. See the module's docstring."""

    def register(handler: H) -> H:
        hints = get_type_hints(handler)
        parameters = inspect.signature(handler).parameters
        body = parameters.get("body")
        body_type = None if body is None else _without(hints["body"], type(None))
        OPERATIONS.append(
            Operation(
                method=method,
                base=base,
                path=path,
                tag=tag,
                status=status,
                name=handler.__name__,
                summary=(inspect.getdoc(handler) or "").partition("\n")[0],
                handler=handler,
                path_types={name: (snake(name), hints[snake(name)]) for name in _PLACEHOLDER.findall(path)},
                body_type=body_type,
                needs_body=takes == MULTIPART or (body is not None and body.default is inspect.Parameter.empty),
                answer_type=_without(_without(hints.get("return"), Reply), NoneType),
                takes=takes,
                waits=waits,
                is_open=is_open,
                members=members_of(body_type),
                query=query,
                parts=parts,
                gives=gives,
                also=also,
                decode=msgspec.json.Decoder(body_type or msgspec.Raw, dec_hook=types.convert, float_hook=Digits).decode,
            )
        )
        return handler

    return register


def _without(hint: Any, other: type) -> Any:
    """Return the type in `T | other`."""
    types_of = get_args(hint)
    rest = [one for one in types_of if one is not other]
    return rest[0] if len(rest) == 1 and other in types_of else hint


def snake(name: str) -> str:
    """Return the name of the parameter for *name* in a path."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def in_words(fault: str) -> str:
    """Write msgspec's report of a wrong value as a sentence: the member first, no marks of its own."""
    what, at, place = fault.partition(" - at `$")
    if not (at and place.endswith("`")):
        what, place = fault, ""
    place = place.removesuffix("`").removeprefix(".")
    what = _TYPE.sub(lambda found: _in_words(found[1]), what).replace(", got ", ", but found ")
    what = what[:1].lower() + what[1:]
    return f"{place}: {what}" if place else what


_TYPE = re.compile(r"`([^`]+)`")
_TYPE_WORDS = {
    "array": "an array",
    "bool": "a boolean",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "a text",
}


def _in_words(types_: str) -> str:
    """Write `int | null` as "an integer or null"; a name of another kind stays as it is, in quotes."""
    if types_.startswith("$") or not types_.replace(" | ", "").isalpha():
        return f"'{types_}'"
    return " or ".join(_TYPE_WORDS.get(one, one) for one in types_.split(" | "))


# The operations of a path by their methods, with the names of its placeholders.
Methods = dict[str, tuple[Operation, list[str]]]


class Router:
    """Finds the operation of a method and a path. A fixed part of a path goes before a placeholder, and is no key."""

    def __init__(self, operations: list[Operation]) -> None:
        self._root: dict[str, Any] = {}
        for one in operations:
            node = self._root
            for part in _parts(one.base + one.path):
                node = node.setdefault("{}" if part.startswith("{") else part, {})
            methods = node.setdefault("", {})
            assert one.method not in methods, f"{one.method} {one.path} is registered twice"
            methods[one.method] = (one, _PLACEHOLDER.findall(one.path))

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        """Return the operation and the values of its placeholders.

        Raises:
            HttpRefusal: there is no such path (404), or it has other methods (405).

        """
        found = _ends(self._root, _parts(path), [])
        found[1:] = [(_with_keys(methods, values), values) for methods, values in found[1:]]
        for methods, values in found:
            wanted = methods.get(method) or (methods.get("GET") if method == "HEAD" else None)
            if wanted:
                return wanted[0], dict(zip(wanted[1], values, strict=True))
        if not found:
            base = base_of(path) or BASE
            raise HttpRefusal(
                404, "Not Found", f"Expected a path of the API, but found '{quoted(path)}'; {base}/docs lists all"
            )
        allow = ", ".join(sorted({name for methods, _ in found for name in methods}))
        raise HttpRefusal(
            405, "Method Not Allowed", f"Expected {allow} for this path, but found {quoted(method)}", allow=allow
        )


def _with_keys(methods: Methods, values: list[str]) -> Methods:
    """Return those of *methods* for which *values* can be what they stand for: `search` is no key, but may be the id of a document."""
    return {
        method: (one, names)
        for method, (one, names) in methods.items()
        if all(one.path_types[name][1] is str or value.isdigit() for name, value in zip(names, values, strict=True))
    }


def base_of(path: str) -> str:
    """Return the base that *path* begins with; empty if it begins with none."""
    return next((base for base in BASES if path == base or path.startswith(base + "/")), "")


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _ends(node: dict[str, Any], parts: list[str], values: list[str]) -> list[tuple[Methods, list[str]]]:
    """Return the methods at the end of every way that *parts* can take, fixed names first, with the values on it."""
    if not parts:
        return [(node[""], values)] if "" in node else []
    part, *rest = parts
    found = _ends(node[part], rest, values) if part and part in node and part != "{}" else []
    if part and "{}" in node:
        found += _ends(node["{}"], rest, [*values, part])
    return found
