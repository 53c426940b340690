"""Combine the outputs of the matched rules to the result of a table, by its hit policy and aggregation.

Source: DMN 1.5, section 8.2.10; the texts of failures and the results without a match were measured on the reference broker.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException, InvalidOperation, Overflow
from typing import TypeAlias

from osmia_broker import feel
from osmia_broker.dmn.errors import EvaluationFailed, shorten
from osmia_broker.dmn.run import Value

Combine: TypeAlias = Callable[[Sequence[Value]], Value]

_DECIMAL128 = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[InvalidOperation, Overflow])
_WHOLE_LIMIT = 10**34  # from here on FEEL holds whole numbers as decimals too


@dataclass(frozen=True, slots=True)
class HitPolicy:
    """The rule that makes one result of the matches of a table.

    *combine* makes the result of the outputs of one or more matches, in order. *is_ranked* asks for the order of
    `outputValues` instead of that of the rules; *stops_early* says that matches after the first do not count.
    """

    name: str
    combine: Combine
    is_ranked: bool = False
    stops_early: bool = False


def _first(values: Sequence[Value]) -> Value:
    return values[0]


def _unique(values: Sequence[Value]) -> Value:
    if len(values) > 1:
        raise EvaluationFailed(f"multiple values aren't allowed for UNIQUE hit policy. found: '{_json(values)}'")
    return values[0]


def _any(values: Sequence[Value]) -> Value:
    if len(set(map(feel.equality_key, values))) > 1:
        raise EvaluationFailed(f"different values aren't allowed for ANY hit policy. found: '{_json(values)}'")
    return values[0]


def _json(values: Sequence[Value]) -> str:
    return shorten(feel.to_decision_json(list(values)))


def _numbers(values: Sequence[Value]) -> list[int | Decimal]:
    for value in values:
        if feel.type_name(value) != "NUMBER":
            raise EvaluationFailed(f"expected number but found '{shorten(feel.to_decision_json(value))}'")
    return list(values)


def _sum(values: Sequence[Value]) -> Value:
    total: int | Decimal = 0
    try:
        for number in _numbers(values):
            total = (
                total + number if isinstance(total, int) and isinstance(number, int) else _DECIMAL128.add(total, number)
            )
    except DecimalException:
        raise EvaluationFailed("expected a sum within 10^6144 but found a larger one") from None
    return total if isinstance(total, Decimal) or abs(total) < _WHOLE_LIMIT else _DECIMAL128.create_decimal(total)


_POLICIES = {
    policy.name: policy
    for policy in (
        HitPolicy("UNIQUE", _unique),
        HitPolicy("FIRST", _first, stops_early=True),
        HitPolicy("ANY", _any),
        HitPolicy("PRIORITY", _first, is_ranked=True),
        HitPolicy("RULE ORDER", list),
        HitPolicy("OUTPUT ORDER", list, is_ranked=True),
        HitPolicy("COLLECT", list),
    )
}
_AGGREGATIONS: dict[str, Combine] = {
    "SUM": _sum,
    "MIN": lambda values: min(_numbers(values)),
    "MAX": lambda values: max(_numbers(values)),
    "COUNT": len,
}


def find(name: str, aggregation: str) -> HitPolicy:
    """Return the policy called *name* (UNIQUE if empty). Only COLLECT looks at *aggregation*.

    Raises:
        KeyError: there is no such policy or aggregation; the argument is its name.
    """
    policy = _POLICIES[name or "UNIQUE"]
    if policy.name != "COLLECT" or not aggregation:
        return policy
    return HitPolicy(policy.name, _AGGREGATIONS[aggregation])
