"""Hold dates of any year, also those below 1 and above 9999, which Python's `date` cannot hold.

The calendar repeats every 400 years, weekdays included. A far date therefore has a twin in years that Python holds, from
which all its properties can be read.
"""

from datetime import date

import msgspec

YEAR_MAX = 999_999_999  # of either sign, as in the reference
_CYCLE_YEARS = 400
CYCLE_DAYS = 146_097
_TWIN_YEAR = 9200  # to 9599: all zones follow the rules of today, and a shift by a zone stays in the years of Python
_TWIN_START = date(_TWIN_YEAR, 1, 1).toordinal()
_LAST = date.max.toordinal()


class FarDate(msgspec.Struct, frozen=True):
    """A date of the Gregorian calendar with a year below 1 or above 9999; has the methods of `date` that are used here."""

    year: int
    month: int
    day: int

    def twin(self) -> date:
        """Return the date in the years 9200 to 9599 that looks the same in the calendar."""
        return date(_TWIN_YEAR + self.year % _CYCLE_YEARS, self.month, self.day)

    def toordinal(self) -> int:
        """Return the number of days since the last day of the year 0."""
        twin = self.twin()
        return twin.toordinal() + (self.year - twin.year) // _CYCLE_YEARS * CYCLE_DAYS

    def isoformat(self) -> str:
        """Return the date as text, a minus before a negative year."""
        sign = "-" if self.year < 0 else ""
        return f"{sign}{abs(self.year):04}-{self.month:02}-{self.day:02}"


AnyDate = date | FarDate


def make_date(year: int, month: int, day: int) -> AnyDate | None:
    """Return the date of these numbers; None if there is none."""
    if not -YEAR_MAX <= year <= YEAR_MAX:
        return None
    try:
        if 1 <= year <= 9999:
            return date(year, month, day)
        date(_TWIN_YEAR + year % _CYCLE_YEARS, month, day)
    except (ValueError, OverflowError):
        return None
    return FarDate(year, month, day)


def from_ordinal(ordinal: int) -> AnyDate | None:
    """Return the date with this number of days since the last day of the year 0; None beyond all years."""
    if 1 <= ordinal <= _LAST:
        return date.fromordinal(ordinal)
    cycles, rest = divmod(ordinal - _TWIN_START, CYCLE_DAYS)
    twin = date.fromordinal(_TWIN_START + rest)
    return make_date(twin.year + cycles * _CYCLE_YEARS, twin.month, twin.day)


def near(day: AnyDate) -> date:
    """Return *day* itself, or the twin of a far one."""
    return day if isinstance(day, date) else day.twin()


def moved_by_cycles(day: AnyDate, cycles: int) -> AnyDate | None:
    """Return *day* in another cycle of 400 years."""
    return make_date(day.year + cycles * _CYCLE_YEARS, day.month, day.day) if cycles else day


def cycle_of_ordinal(ordinal: int) -> int:
    """Return the cycles from the twins' years to the date with this number of days, 0 for a date that Python holds."""
    return 0 if 2 <= ordinal < _LAST - 1 else (ordinal - _TWIN_START) // CYCLE_DAYS
