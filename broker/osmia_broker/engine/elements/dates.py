"""Compute the due dates of user tasks: anything that a model may have there becomes the zoned date-time of a header."""

from osmia_broker.engine.expressions import evaluate, wrong_type
from osmia_broker.engine.incidents import IncidentRaised
from osmia_broker.engine.turn import Turn
from osmia_broker.feel.temporal import DAY, DateTime, DayTimeDuration, at_instant, date_time_plus, in_zone, plus_months
from osmia_broker.feel.temporal_text import moment_of, read_date_time, stored
from osmia_broker.model.dates import Period, full_date_time, read_period, zoned_date_time
from osmia_broker.model.expressions import Expression
from osmia_broker.model.text import trimmed
from osmia_broker.state.rows import ElementInstance, ErrorType

BROKER_ZONE = "Etc/UTC"  #: what a local date-time of FEEL means


def due(turn: Turn, instance: ElementInstance, expression: Expression, *, lenient: bool) -> tuple[str, int] | None:
    """Return the date-time that *expression* gives, as it is stored and in epoch milliseconds; None for null and for empty text.

    The `zeebe:` dialect takes a date-time, or the text of one with an offset. The *lenient* one of Activiti takes the text of
    a date-time with or without offset, of a date (midnight), or of a period from now.

    Raises:
        IncidentRaised: the result is of another type, or its text is none of these.

    """
    result = evaluate(turn, expression, instance.key)
    value = result.value
    if value is None or value == "":
        return None
    if isinstance(value, DateTime):
        moment: DateTime | None = _zoned(value)
    elif isinstance(value, str):
        moment = _read_leniently(turn, value) if lenient else _read_strictly(value)
    else:
        raise wrong_type(expression, result, "one of '[NULL, DATE_TIME, STRING]'")
    if moment is None or not 1 <= moment.date.year <= 9999:  # what readers of the header can hold
        found = stored(value) if isinstance(value, DateTime) else value
        raise IncidentRaised(
            ErrorType.EXTRACT_VALUE_ERROR, f"Invalid date-time format '{found}' for expression '{expression.text}'."
        )
    return _stored(moment)


def moment_ms(text: str) -> int:
    """Return the moment of a stored date-time in epoch milliseconds; 0 for empty text, which means that there is none."""
    moment = _read(text) if text else None
    return 0 if moment is None else _ms(moment)


def zoned_text(text: str) -> str | None:
    """Return a date-time with an offset (RFC 3339) as it is stored; None if *text* is none.

    The seconds may be missing, and the name of a zone may follow in brackets, as headers have it; a zone that
    has another offset at this time says something else, so that *text* is none.
    """
    zoned = zoned_date_time(text) or ""
    moment = _read(zoned) if zoned else None
    if moment is not None and moment.zone:
        plain = _read(zoned.partition("[")[0])
        if plain is None or plain.offset != moment.offset:
            return None
    return None if moment is None or not 1 <= moment.date.year <= 9999 else stored(moment)


def _stored(moment: DateTime) -> tuple[str, int]:
    return stored(moment), _ms(moment)


def _ms(moment: DateTime) -> int:
    return moment.instant() // 1_000_000 or 1  # 0 would mean none


def _zoned(moment: DateTime) -> DateTime:
    return moment if moment.offset is not None else in_zone(moment.date, moment.nanoseconds, BROKER_ZONE) or moment


def _read_strictly(text: str) -> DateTime | None:
    zoned = zoned_date_time(text)
    return None if zoned is None else _read(zoned)


def _read_leniently(turn: Turn, text: str) -> DateTime | None:
    period = read_period(trimmed(text))
    if period is not None:
        return _after(turn, period)
    full_text = full_date_time(trimmed(text))
    moment = None if full_text is None else _read(full_text)
    if moment is None or moment.offset is not None:
        return moment
    return DateTime(moment.date, moment.nanoseconds, 0)


def _after(turn: Turn, period: Period) -> DateTime | None:
    """The moment *period* from now, in UTC. Years, then months move the calendar; days and times follow."""
    now = moment_of(turn.now)
    assert now is not None, "a turn has a time"
    day = plus_months(now.date, 12 * period.years)
    day = None if day is None else plus_months(day, period.months)
    if day is None:
        return None
    return date_time_plus(DateTime(day, now.nanoseconds, 0), DayTimeDuration(period.days * DAY + period.nanoseconds))


def _read(text: str) -> DateTime | None:
    """An ISO date-time. Behind an offset may be a zone in brackets: the offset counts, as in Java, and the zone says how clocks show that moment."""
    head, bracket, zone = text.partition("[")
    moment = read_date_time(head)
    return moment if moment is None or not bracket else at_instant(moment.instant(), zone.removesuffix("]"))
