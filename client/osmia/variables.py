"""Variables between Python values and the JSON text in which they travel.

A mapping, a dataclass, a msgspec Struct and a pydantic model all do, the last recognised by its methods so that pydantic
need not be installed. Reading back, a type says what is wanted; what does not fit is told with its path.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec


def encode(variables: object) -> str:
    """The JSON text of one object; empty text for None. Text is taken for JSON already, and left to the broker to judge.

    Raises:
        TypeError: *variables* is no mapping and no model, or holds a value that JSON has no form for.
    """
    if variables is None:
        return ""
    if isinstance(variables, str):
        return variables
    if not is_object(variables):
        raise TypeError(
            f"Expected variables to be a mapping, a dataclass or a model, but found {type(variables).__name__}"
        )
    return msgspec.json.encode(variables, enc_hook=_plain).decode()


def is_object(value: object) -> bool:
    """Whether *value* is written as a JSON object."""
    return isinstance(value, Mapping | msgspec.Struct) or is_model(type(value))


def is_model(type_: object) -> bool:
    """Whether *type_* is a class with named, typed fields: a dataclass, a msgspec Struct or a pydantic model."""
    return isinstance(type_, type) and (
        dataclasses.is_dataclass(type_) or issubclass(type_, msgspec.Struct) or hasattr(type_, "model_validate")
    )


def decode(text: str) -> dict[str, Any]:
    """The variables of a JSON object; blank text is the empty one."""
    if not text:
        return {}
    decoded: dict[str, Any] = msgspec.json.decode(text)
    return decoded


def convert(value: object, type_: Any) -> Any:
    """*value*, as JSON gave it, as a value of *type_*. Fields that *type_* does not have are left out.

    Raises:
        ValueError: it does not fit; the text says where: "Expected `int`, got `str` - at `$.lines[0].amount`".
    """
    converted = msgspec.convert(value, type_, dec_hook=_from_plain)
    _settle_defaults(converted)
    return converted


def field_names(model: Any) -> list[str] | None:
    """The names under which *model* wants variables, or None if it takes whatever there is."""
    if hasattr(model, "model_fields"):
        return _pydantic_names(model)
    if issubclass(model, msgspec.Struct):
        return [field.encode_name for field in msgspec.structs.fields(model)]
    return [field.name for field in dataclasses.fields(model) if field.init]


def _pydantic_names(model: Any) -> list[str] | None:
    if model.model_config.get("extra") == "allow":
        return None
    names: list[str] = []
    for name, field in model.model_fields.items():
        alias = field.validation_alias or name
        if not isinstance(alias, str):  # a path or a choice of aliases: more than one variable may be meant
            return None
        names += dict.fromkeys([alias, name])
    return names


def _settle_defaults(value: Any) -> None:
    """Make defaults of dataclasses in *value* attributes of their own.

    msgspec leaves them to the class, and when the same object is written again it leaves them out (measured with 0.22).
    """
    if isinstance(value, list | tuple | set | frozenset):
        for item in value:
            _settle_defaults(item)
    elif isinstance(value, dict):
        for item in value.values():
            _settle_defaults(item)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            _settle_defaults(getattr(value, name))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            held = getattr(value, field.name)
            if field.name not in getattr(value, "__dict__", {field.name: held}):
                object.__setattr__(value, field.name, held)
            _settle_defaults(held)


def _plain(value: object) -> object:
    """What msgspec does not know: pydantic models, and mappings that are no dict."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"Expected a value that JSON has a form for, but found {type(value).__name__}")


def _from_plain(type_: Any, value: object) -> object:
    """What msgspec does not know: pydantic models; any other class must have been reached already."""
    if hasattr(type_, "model_validate"):
        return type_.model_validate(value)
    if isinstance(value, type_):
        return value
    raise TypeError(f"Expected `{getattr(type_, '__name__', type_)}`, but found {type(value).__name__}")
