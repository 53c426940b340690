"""Do the same with several things, one after the other, beside a progress bar."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import Exit, Failure, from_call
from osmia_broker.cli.progress import progress_bar
from osmia_broker.cli.session import Session

TOLD_MAX = 3  # failures in the error; the others are counted


@dataclass(frozen=True, slots=True)
class Deed:
    """Words for what happens to each thing: `Resolved KEY`, `2 of 3 incidents resolved`."""

    noun: str  # incident
    done: str  # resolved
    key: str  # the name of the key in JSON: incidentKey
    mend: str  # the command that lists the things


def do_each(
    session: Session,
    address: str,
    keys: Sequence[int],
    act: Callable[[int], None],
    deed: Deed,
    *,
    within: Callable[[int], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """Call *act* once with each of *keys*, and print those for which it succeeds. A failure stops none of the others.

    Each call is made in the context that *within* gives for its key: it may tell more about a refusal.

    Raises:
        Failure: PARTLY, if *act* fails for some of several keys.
        Refused, Failure: that of *act* for the only key.
    """

    def do(key: int) -> None:
        with within(key):
            act(key)

    keys = list(dict.fromkeys(keys))
    if len(keys) == 1:
        _do(session, keys[0], do, deed)
        return
    failures = []
    with progress_bar(session) as bar:
        task = bar.add_task(deed.done, total=len(keys))
        for key in keys:
            if why := _why_not(session, address, key, do, deed):
                failures.append(f"{key}: {why.removesuffix('.')}")
            bar.advance(task)
    if failures:
        more = f"; and {len(failures) - TOLD_MAX} more" if len(failures) > TOLD_MAX else ""
        raise Failure(
            Exit.PARTLY,
            f"{len(keys) - len(failures):,} of {counted(len(keys), deed.noun)} {deed.done}.",
            why="; ".join(failures[:TOLD_MAX]) + more,
            mend=deed.mend,
            code="PARTLY",
        )


def _do(session: Session, key: int, act: Callable[[int], None], deed: Deed) -> None:
    act(key)
    session.one({deed.key: str(key)}, key=deed.key, text=f"{deed.done.capitalize()} {key}")


def _why_not(session: Session, address: str, key: int, act: Callable[[int], None], deed: Deed) -> str:
    """Return why *act* failed for *key*; nothing if it did not."""
    from osmia.errors import Refused

    try:
        _do(session, key, act, deed)
    except (Refused, Failure) as error:
        failure = error if isinstance(error, Failure) else from_call(error, address, deed.mend)
        return failure.why or failure.what
    return ""
