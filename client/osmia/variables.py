"""Variables: Python values on one side, the JSON text of the gateway's messages on the other.

A mapping, a dataclass, a msgspec Struct and a pydantic model can all be written. A pydantic model is recognised by its
methods, so that pydantic need not be installed. A Decimal is written as a JSON number. NaN and infinity are refused, because
JSON has no form for them.
"""

import dataclasses
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import grpc
import msgspec

from osmia.errors import InvalidArgument

VARIABLES_BYTES_MAX = 2_097_152  # 2 MiB of UTF-8 in one call: the broker's own bound

_ZONE_NAME = re.compile(r"(?<=[0-9Z])\[[A-Za-z_/+\-0-9]+\]$")  # FEEL writes 2030-01-31T10:00:00+01:00[Europe/Berlin]


def encode(variables: object) -> str:
    """Write *variables* as the JSON text of one object; None becomes empty text. Text is taken for JSON already.

    A set becomes a list in no order, bytes become base64 text, keys become texts, and a moment without a zone is written without one,
    which FEEL reads as a local date and time (docs/sdk.md).

    Raises:
        TypeError: *variables* is no mapping and no model, or holds a value that JSON has no form for.
        ValueError: a number is NaN or infinite; the text names its place.
        InvalidArgument: the text is larger than VARIABLES_BYTES_MAX; the error names the largest variable.
    """
    if variables is None:
        return ""
    if isinstance(variables, str):
        return _sized(variables, variables.encode(errors="replace"))
    if not is_object(variables):
        raise TypeError(
            f"Expected variables to be a mapping, a dataclass or a model, but found {type(variables).__name__}"
        )
    encoded = _written(variables)
    if b"null" in encoded or b"NaN" in encoded or b"Infinity" in encoded:  # msgspec writes a float NaN as null
        _refuse_non_finite(variables)
    return _sized(encoded.decode(), encoded)


def encode_value(value: object) -> str:
    """Write one value of any kind as JSON text, by the same rules.

    Raises:
        TypeError, ValueError, InvalidArgument: as `encode`.
    """
    encoded = _encoder.encode(value)
    if b"null" in encoded or b"NaN" in encoded or b"Infinity" in encoded:
        _refuse_non_finite({"value": value})
    return _sized(encoded.decode(), encoded)


def _written(variables: object) -> bytes:
    try:
        return _encoder.encode(variables)
    except TypeError as error:
        for name, value in variables.items() if isinstance(variables, Mapping) else ():
            try:
                _encoder.encode(value)
            except TypeError as fault:
                raise TypeError(f"{fault} in variable '{name}'") from error
        raise


def is_object(value: object) -> bool:
    """Return whether *value* is written as a JSON object."""
    return isinstance(value, Mapping | msgspec.Struct) or is_model(type(value))


def is_model(type_: object) -> bool:
    """Return whether *type_* is a class with named, typed fields: a dataclass, a msgspec Struct or a pydantic model."""
    return isinstance(type_, type) and (
        dataclasses.is_dataclass(type_) or issubclass(type_, msgspec.Struct) or hasattr(type_, "model_validate")
    )


def decode(text: str) -> dict[str, Any]:
    """Read the variables of a JSON object. Empty text means no variables."""
    if not text:
        return {}
    decoded: dict[str, Any] = msgspec.json.decode(text)
    return decoded


def convert(value: object, type_: Any) -> Any:
    """Convert *value*, as JSON gave it, to *type_*. Fields that *type_* does not have are left out.

    A whole number may be written with a fraction (`5.0` fits int), and a date-time with the name of its zone, as FEEL does.

    Raises:
        ValueError: the value does not fit; the text names the place: "Expected `int`, got `str` - at `$.lines[0].amount`".
    """
    try:
        converted = msgspec.convert(value, type_, dec_hook=_from_plain)
    except ValueError:
        try:
            converted = msgspec.convert(_relaxed(value), type_, dec_hook=_from_plain)
        except ValueError:
            converted = None
        if converted is None:
            raise
    _settle_defaults(converted)
    return converted


def field_names(model: Any) -> list[str] | None:
    """Return the names of the variables that *model* reads, or None if it takes all variables."""
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


def _sized(text: str, encoded: bytes) -> str:
    """Return *text* if it is small enough to be sent."""
    if len(encoded) <= VARIABLES_BYTES_MAX:
        return text
    details = f"Expected variables of at most {VARIABLES_BYTES_MAX} bytes, but found {len(encoded)}{_largest(encoded)}"
    raise InvalidArgument(grpc.StatusCode.INVALID_ARGUMENT, details)


def _largest(encoded: bytes) -> str:
    """Name the largest variable of a JSON object, if the text is one."""
    try:
        values = msgspec.json.decode(encoded, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return ""
    if not values:
        return ""
    size, name = max((len(bytes(value)), name) for name, value in values.items())
    return f"; the largest is '{name}' with {size}"


def _refuse_non_finite(variables: object) -> None:
    plain = msgspec.to_builtins(variables, builtin_types=(Decimal,), enc_hook=_plain)
    for path, value in _numbers(plain, ""):
        if not math.isfinite(value):
            raise ValueError(f"Expected variable '{path}' to be a finite number, but found {value}")


def _numbers(value: object, path: str) -> Iterator[tuple[str, float | Decimal]]:
    """Iterate over the numbers with a fraction in *value*, each with its place: `order.lines[0].amount`."""
    if isinstance(value, float | Decimal):
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(item, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")


def _relaxed(value: object) -> object:
    """Return *value* with whole floats as integers and date-times without the name of their zone."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return _ZONE_NAME.sub("", value)
    if isinstance(value, list):
        return [_relaxed(item) for item in value]
    if isinstance(value, dict):
        return {name: _relaxed(item) for name, item in value.items()}
    return value


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
    """Turn a value that msgspec does not know into one that it does: pydantic models, and mappings that are no dict."""
    if hasattr(value, "model_dump"):
        return _with_decimals(value.model_dump(mode="json", by_alias=True), value.model_dump(by_alias=True))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"Expected a value that JSON has a form for, but found {type(value).__name__}")


def _with_decimals(written: Any, held: Any) -> Any:
    """Put back the decimals of a pydantic model (*held*), which its own JSON form (*written*) holds as text."""
    if isinstance(held, Decimal) and written == str(held):
        return held
    if isinstance(written, dict) and isinstance(held, dict) and len(written) == len(held):
        return {name: _with_decimals(item, held.get(name)) for name, item in written.items()}
    if isinstance(written, list) and isinstance(held, list | tuple) and len(written) == len(held):
        return [_with_decimals(*pair) for pair in zip(written, held, strict=True)]
    return written


def _from_plain(type_: Any, value: object) -> object:
    """Make a value of a class that msgspec does not know: a pydantic model, or a value that has this class already."""
    if hasattr(type_, "model_validate"):
        return type_.model_validate(value)
    if isinstance(value, type_):
        return value
    raise TypeError(f"Expected `{getattr(type_, '__name__', type_)}`, but found {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
