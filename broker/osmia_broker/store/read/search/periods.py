"""The length of the parts of a period, for numbers over time."""

import re
from typing import Any

from osmia_broker.store.read.search.values import refuse

PARTS = 100  # of a period, if the question does not say how long they are
BUCKETS_MS = (60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000, 604_800_000)
LONGEST_MS = 366 * 86_400_000
_DURATION = re.compile(r"P(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?", re.ASCII)
_UNITS_MS = (86_400_000, 3_600_000, 60_000, 1_000)


def bucket_ms(resolution: Any, period_ms: int) -> int:
    """Return the length of a part: an ISO 8601 duration of at least a second, or one that gives about a hundred parts.

    Raises:
        InvalidArgument: *resolution* is no such duration.

    """
    if resolution is None:
        return next((one for one in BUCKETS_MS if one * PARTS >= period_ms), BUCKETS_MS[-1])
    match = _DURATION.fullmatch(resolution) if isinstance(resolution, str) else None
    length = sum(int(count or 0) * unit for count, unit in zip(match.groups(), _UNITS_MS, strict=True)) if match else 0
    if not 1_000 <= length <= LONGEST_MS:
        raise refuse("filter.resolution", "a duration from PT1S to P366D", resolution)
    return length
