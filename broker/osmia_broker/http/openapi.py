"""The OpenAPI 3.1 document of the operations below a base, and a page to read it, both made from the registered operations alone."""

import re
from functools import cache
from typing import Any, get_args, get_origin

import msgspec

from osmia_broker.http.operation import BASE, JSON, OPERATIONS, OWN, Operation
from osmia_broker.http.problem import MEDIA_TYPE, Problem
from osmia_broker.http.types import schema_of

REFERENCE = "#/components/schemas/{name}"
NO_CONTENT = 204

#: Rows on a wide screen; on a narrow one, the parts of each under each other.
STYLE = (
    ":root{color-scheme:light dark;background:light-dark(#f6f5f1,#131816);color:light-dark(#1d2421,#e8ece9)}"
    "a{color:light-dark(#17633f,#6fcf9b)}body{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%}td{padding:.3rem 1rem .3rem 0;vertical-align:top;border-top:1px solid #8884}"
    "td:first-child{width:4.5rem;overflow-wrap:normal}td:nth-child(2){width:55%}"
    "@media(max-width:45rem){body{margin:1rem auto}tr{display:block;padding:.4rem 0;border-top:1px solid #8884}"
    "td,td:nth-child(2){display:inline;padding:0;border:0}td:last-child{display:block}}"
)

TITLES = {BASE: "Osmia REST API", OWN: "Osmia's own operations"}


@cache
def document(version: str, base: str = BASE) -> bytes:
    """Return the document of the operations below *base* as JSON."""
    paths: dict[str, dict[str, Any]] = {}
    for one in _below(base):
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    _, components = _described(base)
    described = msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": TITLES[base], "version": version},
            "servers": [{"url": base}],
            "paths": paths,
            "components": {"schemas": components},
        }
    )
    return _QUALIFIED.sub(_short_name, described.decode()).encode()


#: The name that a type gets if types of several modules have the same one.
_QUALIFIED = re.compile(r"osmia_broker\.[a-z_.]+\.(?P<module>[a-z_]+)\.(?P<type>[A-Z]\w*)")


def _short_name(qualified: re.Match[str]) -> str:
    """Return the module and the type as one name, such as `JobsUpdate`."""
    return "".join(part.capitalize() for part in qualified["module"].split("_")) + qualified["type"]


@cache
def page(version: str, base: str = BASE) -> bytes:
    """Return the operations below *base* as a page of HTML, by their tags."""
    from html import escape  # brings half a megabyte of names of characters

    by_tag: dict[str, list[Operation]] = {}
    for one in _below(base):
        by_tag.setdefault(one.tag, []).append(one)
    sections = []
    for tag, operations in sorted(by_tag.items()):
        rows = "".join(
            f"<tr><td><code>{one.method}</code></td> <td><code>{base}{escape(one.path)}</code></td>"
            f"<td>{escape(one.summary)}</td></tr>"
            for one in sorted(operations, key=lambda one: (one.path, one.method))
        )
        sections.append(f"<h2>{escape(tag)}</h2><table>{rows}</table>")
    title = escape(TITLES[base])
    others = "".join(f' <a href="{one}/docs">{escape(TITLES[one])}</a>.' for one in TITLES if one != base)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><link rel="icon" href="data:,">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body><main>'
        f"<h1>{title} {escape(version)}</h1>"
        f'<p>The same as a document for tools: <a href="{base}/openapi.json">openapi.json</a>. See also:{others}</p>'
        f"{''.join(sections)}</main></body></html>"
    ).encode()


def _below(base: str) -> list[Operation]:
    return [one for one in OPERATIONS if one.base == base]


def _types(base: str) -> list[Any]:
    """Return every type of a body or an answer, once."""
    named = [one.body_type for one in _below(base)] + [one.answer_type for one in _below(base)]
    return list(dict.fromkeys([*filter(_is_described, named), Problem]))


def _is_described(type_: Any) -> bool:
    """Whether a body or an answer has a type with members, or is a list of such."""
    if get_origin(type_) is list:
        type_ = get_args(type_)[0]
    return isinstance(type_, type) and issubclass(type_, msgspec.Struct)


def _operation(one: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "tags": [one.tag],
        "operationId": re.sub(r"_(\w)", lambda found: found[1].upper(), one.name),
        "summary": one.summary,
        "responses": _responses(one),
    }
    if one.path_types or one.query:
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _of_path(type)}
            for name, (_, type) in one.path_types.items()
        ] + [
            {"name": asked.name, "in": "query", "required": asked.is_required, "schema": asked.schema}
            for asked in one.query
        ]
    if one.body_type is not None:
        content = {one.takes: {"schema": _schema(one.body_type, one.base)}}
        described["requestBody"] = {"required": one.needs_body, "content": content}
    elif one.takes != JSON:
        described["requestBody"] = {"required": True, "content": {one.takes: {"schema": _of_parts(one)}}}
    return described


def _responses(one: Operation) -> dict[str, Any]:
    empty = {"description": one.summary or "The answer."}
    usual: dict[str, Any] = dict(empty)
    if one.gives:
        given = {"type": "object", "additionalProperties": True} if one.gives == JSON else {"type": "string"}
        usual["content"] = {one.gives: {"schema": given}}
    elif one.answer_type in _types(one.base):
        usual["content"] = {JSON: {"schema": _schema(one.answer_type, one.base)}}
    refusal = {
        "description": "A refusal, as problem details.",
        "content": {MEDIA_TYPE: {"schema": _schema(Problem, one.base)}},
    }
    others = {str(status): empty if status == NO_CONTENT else usual for status in one.also}
    return {str(one.status): usual, **others, "4XX": refusal, "5XX": refusal}


@cache
def _described(base: str) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the schema of every type, and the components that they refer to.

    All are described in one call: only then do types of several modules with the same name get names of their own.
    """
    types = _types(base)
    schemas, components = msgspec.json.schema_components(types, schema_hook=schema_of, ref_template=REFERENCE)
    return dict(zip(types, schemas, strict=True)), components


def _schema(type: Any, base: str) -> dict[str, Any]:
    schemas, _ = _described(base)
    schema: dict[str, Any] = schemas[type]
    return schema


def _of_parts(one: Operation) -> dict[str, Any]:
    required = [part.name for part in one.parts if part.is_required]
    return {"type": "object", "properties": {part.name: part.schema for part in one.parts}, "required": required}


def _of_path(type: type) -> dict[str, Any]:
    return {"type": "string"} if type is str else {"type": "string", "pattern": "^-?[0-9]{1,19}$"}
