"""Bound the connections of a door, so that strangers cannot use up the files that this process may have open.

A process that has none left accepts nobody at any door, and cannot open its own files either.
"""

CONNECTIONS_MAX = 10_000  # of a door; each costs some memory, too
WITHOUT_LIMIT = 2 * CONNECTIONS_MAX


def connections_max(share: float) -> int:
    """Return the bound of a door that may take *share* of the open files of this process."""
    return max(1, min(CONNECTIONS_MAX, int(share * _limit())))


def _limit() -> int:
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ModuleNotFoundError:  # this system bounds nothing
        return WITHOUT_LIMIT
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return WITHOUT_LIMIT if soft == RLIM_INFINITY else soft
