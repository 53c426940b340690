"""The order in which several test processes play what was collected.

Each process begins with a stretch of the list, and one that has no more takes from the end of another's. A test that waits for other programs leaves
the processor to the tests beside it; so such files stand among the others, not side by side. None stands late, where the last one would be waited for
by all.
"""

from collections.abc import Sequence
from itertools import groupby

import pytest

EARLY = 0.6  # the part of a stretch in which files that wait may stand


def waits(item: pytest.Item) -> bool:
    """Whether a test spends most of its time waiting for other programs."""
    return item.get_closest_marker("process") is not None or item.path.parent.name == "compat"


def spread(items: Sequence[pytest.Item], processes: int) -> list[pytest.Item]:
    """The tests in the order for so many *processes*."""
    files = [list(group) for _, group in groupby(items, lambda item: item.path)]
    waiting = [file for file in files if waits(file[0])]
    others = [item for file in files if not waits(file[0]) for item in file]
    spread: list[pytest.Item] = []
    for process in range(processes):
        stretch = others[len(others) * process // processes : len(others) * (process + 1) // processes]
        its = waiting[process::processes]
        begun = 0
        for number, file in enumerate(its):
            place = int(len(stretch) * EARLY * number / len(its))
            spread += [*stretch[begun:place], *file]
            begun = place
        spread += stretch[begun:]
    return spread
