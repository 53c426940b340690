"""Searches over HTTP: an operation for an entity of the read side, with its description for the OpenAPI document."""

import re
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from osmia_broker.calls.lists.lists import ITEMS, LISTS
from osmia_broker.http.operation import BASE, Asked, Call, operation, snake
from osmia_broker.http.problem import bad_request
from osmia_broker.http.types import Body, Item, Key
from osmia_broker.store.read.search.asked import ITEMS_DEFAULT, ITEMS_MAX
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import Field, Kind
from osmia_broker.store.read.search.filters import OPERATORS
from osmia_broker.store.read.search.search import Found, Search

NO_MORE: Mapping[str, Any] = MappingProxyType({})


class PageInfo(Item):
    """The place of a page in its list."""

    total_items: int
    has_more_total_items: bool
    start_cursor: str | None
    end_cursor: str | None


class Results(Item):
    """A page of items."""

    items: list[dict[str, Any]]
    page: PageInfo


def results(found: Found) -> Results:
    """Write what a search has found."""
    page = PageInfo(
        total_items=found.total,
        has_more_total_items=found.has_more_total,
        start_cursor=found.start,
        end_cursor=found.end,
    )
    return Results(items=found.items, page=page)


def serve_search(path: str, *, name: str, tag: str, summary: str) -> None:
    """Register the operation that searches the list of a path; see `calls.lists`."""
    list_name = name_of_list(path)
    listing = LISTS[list_name]
    assert listing.entity is not None

    async def with_body(call: Call, body: Any, **values: int) -> Any:
        of = next(iter(values.values()), None)
        is_whole = listing.cuts_values and not truncates(call)
        return results(await call.lists.search(list_name, asked_by(body), of=of, is_whole=is_whole))

    async def handle(call: Call, body: Any = None, **values: int) -> Any:
        return await with_body(call, body, **values)

    query = (TRUNCATES,) if listing.cuts_values else ()
    serve(
        with_body if listing.needs_filter else handle,
        listing.entity,
        path,
        name=name,
        tag=tag,
        summary=summary,
        query=query,
        more=listing.more,
        answers=listing.answers,
    )


def serve_get(path: str, *, name: str, tag: str) -> None:
    """Register the operation that returns one item by the key in the path; see `calls.lists`."""
    list_name = name_of_list(path)
    kept = ITEMS[list_name]

    async def handle(call: Call, **values: Any) -> Any:
        (key,) = values.values()
        return await call.lists.get(list_name, str(key))

    answer = item_type(kept.entity, name)
    _describe(handle, name, path, f"Return one {kept.noun}.", body=None, answer=answer)
    operation("GET", path, tag=tag)(handle)


def name_of_list(path: str) -> str:
    """Return the name of the list of a path: the path without its keys, and without `/search`."""
    return _KEY_IN_PATH.sub("", path).removeprefix("/").removesuffix("/search")


_KEY_IN_PATH = re.compile(r"/\{\w+\}")


def asked_by(body: Any) -> Search:
    """Return the question in a body; one for everything if there is none."""
    return Search() if body is None else Search(body.filter, body.sort, body.page)


TRUNCATES = Asked("truncateValues", {"type": "boolean", "default": True})


def truncates(call: Call) -> bool:
    """Whether long values are to be cut, which is the default.

    Raises:
        HttpRefusal: the parameter is neither true nor false.

    """
    text = call.query.get("truncateValues", ["true"])[-1].lower()
    if text not in ("true", "false"):
        raise bad_request(f"Failed to convert 'truncateValues' with value: '{text[:100]}'")
    return text == "true"


def serve(
    handle: Any,
    entity: Entity,
    path: str,
    *,
    name: str,
    tag: str,
    summary: str,
    base: str = BASE,
    body: Any = None,
    query: tuple[Asked, ...] = (),
    more: Mapping[str, Any] = NO_MORE,
    answers: Entity | None = None,
) -> None:
    """Register *handle* as an operation that takes a question about *entity* and answers with a page of items.

    *body* is the type of the question if it has more members than usual, *more* describes members of its filter beside those of the
    entity. *answers* is the entity of the items, if it is another one.
    """
    question = body or question_type(entity, name, more)
    _describe(handle, name, path, summary, body=question, answer=answer_type(answers or entity, name))
    operation("POST", path, tag=tag, base=base, query=query)(handle)


def _describe(handle: Any, name: str, path: str, summary: str, *, body: Any, answer: Any) -> None:
    """Give a function that was made here the name, the summary and the types that its registration reads."""
    keys = {snake(part[1:-1]): Key for part in path.split("/") if part.startswith("{")}
    handle.__name__ = name
    handle.__doc__ = summary
    handle.__annotations__ = {"call": Call, **keys, **({"body": body} if body is not None else {}), "return": answer}


# --- descriptions


_ORDERS = {"type": "string", "enum": ["ASC", "DESC", "asc", "desc"]}
_PAGE = {
    "type": ["object", "null"],
    "description": "A page by its number of items: from the beginning, after a cursor, or before one.",
    "properties": {
        "from": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "limit": {"type": "integer", "minimum": 1, "maximum": ITEMS_MAX, "default": ITEMS_DEFAULT},
        "after": {"type": "string"},
        "before": {"type": "string"},
    },
    "additionalProperties": False,
}
_KEY = {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
_VALUES: dict[Kind, dict[str, Any]] = {
    Kind.KEY: _KEY,
    Kind.TEXT: {"type": "string"},
    Kind.INTEGER: {"type": "integer", "format": "int64"},
    Kind.DATE: {"type": "string", "format": "date-time"},
    Kind.FLAG: {"type": "boolean"},
    Kind.TAGS: {"type": "array", "items": {"type": "string"}},
    Kind.MEMBERS: {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
}


def filter_schema(entity: Entity, more: Mapping[str, Any] = NO_MORE) -> dict[str, Any]:
    """Describe a filter of *entity*, with *more* members that its operation reads beside those of the entity."""
    filters = {one.name: _filter(one) for one in entity.declared if one.filters}
    alternative = {"type": "object", "properties": filters, "additionalProperties": False}
    alternatives = {"type": "array", "items": alternative, "minItems": 1}
    return {**alternative, "properties": {**filters, **more, "$or": alternatives}}


def question_type(entity: Entity, name: str, more: Mapping[str, Any] = NO_MORE) -> type:
    """Make the type of the body of a search: it is described in full, and checked by the search itself."""
    whole = {**filter_schema(entity, more), "type": ["object", "null"]}
    sorts = [one.name for one in entity.declared if one.sorts]
    sort_item = {
        "type": "object",
        "properties": {"field": {"type": "string", "enum": sorts}, "order": _ORDERS},
        "required": ["field"],
    }
    sort: dict[str, Any] = {"type": ["array", "null"], "items": sort_item} if sorts else {"type": "null"}
    described = {"filter": whole, "sort": sort, "page": _PAGE}
    fields = [(member, Annotated[Any, Meta(extra_json_schema=schema)], None) for member, schema in described.items()]
    return msgspec.defstruct(_title(name) + "Query", fields, bases=(Body,), rename="camel", kw_only=True)


def _filter(known: Field) -> dict[str, Any]:
    if known.kind is Kind.TAGS:
        return _VALUES[Kind.TAGS]
    if known.kind is Kind.VARIABLES:
        value = {"anyOf": [{"type": "string"}, _operators(Kind.TEXT, {"type": "string"})]}
        properties = {"name": {"type": "string"}, "value": value}
        item = {"type": "object", "properties": properties, "required": ["name", "value"]}
        return {"type": "array", "items": item}
    if known.kind is Kind.MEMBERS:
        return {"type": "object", "additionalProperties": _of_member()}
    plain = {"type": "string", "enum": [*known.choices]} if known.choices is not None else _VALUES[known.kind]
    one = {"anyOf": [plain, _operators(known.kind, plain)]}
    return {"type": "array", "items": one} if known.several else one


def _of_member() -> dict[str, Any]:
    plain: dict[str, Any] = {"type": ["string", "number"]}
    special = {"$exists": {"type": "boolean"}, "$like": {"type": "string"}, "$in": {"type": "array", "items": plain}}
    ordered = {name: {"type": "number"} for name in ("$gt", "$gte", "$lt", "$lte")}
    operators = {name: (special | ordered).get(name, plain) for name in OPERATORS[Kind.MEMBERS]}
    return {"anyOf": [plain, {"type": "object", "properties": operators, "additionalProperties": False}]}


def _operators(kind: Kind, plain: dict[str, Any]) -> dict[str, Any]:
    special = {"$exists": {"type": "boolean"}, "$like": {"type": "string"}}
    lists = {"$in", "$notIn"}
    properties = {
        name: special.get(name) or ({"type": "array", "items": plain} if name in lists else plain)
        for name in OPERATORS[kind]
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _item_schema(entity: Entity) -> dict[str, Any]:
    shown = {one.name: _shown(one) for one in entity.shown if one.name not in entity.taken}
    return {"type": "object", "properties": {**shown, **entity.added}}


def _shown(known: Field) -> dict[str, Any]:
    if known.schema is not None:
        return dict(known.schema)
    if known.choices is not None:
        name = {"type": "string", "enum": [*known.choices]}
        return {"type": "array", "items": name} if known.several else name
    value = dict(_VALUES[known.kind])
    return {**value, "type": [value["type"], "null"]} if known.optional and known.kind is not Kind.TAGS else value


def item_type(entity: Entity, name: str, *, without: Collection[str] = ()) -> Any:
    """Make the type of an answer that is one item; the fields *without* are only in lists."""
    fields = [
        (one, Annotated[Any, Meta(extra_json_schema=schema)], None)
        for one, schema in _item_schema(entity)["properties"].items()
        if one not in without
    ]
    return msgspec.defstruct(_title(name) + "Result", fields, bases=(msgspec.Struct,), kw_only=True)


def answer_type(entity: Entity, name: str) -> Any:
    """Make the type of a page of items."""
    items = Annotated[list[Any], Meta(extra_json_schema={"items": _item_schema(entity)})]
    return msgspec.defstruct(
        _title(name) + "Result", [("items", items), ("page", PageInfo)], bases=(Item,), rename="camel", kw_only=True
    )


def _title(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
