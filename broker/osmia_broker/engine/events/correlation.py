"""Correlate a message at once: it reaches what waits for it now, or it is refused."""

from osmia_broker.base.errors import NotFound
from osmia_broker.engine.answers import Correlated
from osmia_broker.engine.commands import CorrelateAtOnce, PublishMessage
from osmia_broker.engine.commands.inner import CorrelateMessage
from osmia_broker.engine.engine import handles
from osmia_broker.engine.events.messages import correlation_of, reach_page
from osmia_broker.engine.turn import Turn


@handles(CorrelateAtOnce)
def correlate_at_once(turn: Turn, command: CorrelateAtOnce) -> Correlated:
    """Give a message to all that wait for it, as publishing does; the answer names the first process instance that it reaches.

    A process instance that runs goes before one that the message starts.
    """
    name, correlation_key = command.name, command.correlation_key
    key = turn.next_key()
    published = PublishMessage(
        name, correlation_key, 0, "", command.variables, command.business_id, command.traceparent
    )
    page: CorrelateMessage | None = correlation_of(turn, key, published)
    reached: list[int] = []
    while page is not None and not reached:
        reached, page = reach_page(turn, page)
    if page is not None:
        turn.follow(0, page)
    if not reached:
        raise NotFound(
            f"Expected to find subscription for message with name '{name}' and correlation key '{correlation_key}', but none was found."
        )
    return Correlated(key, reached[0])
