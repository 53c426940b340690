"""The bounds of a link. Each holds memory or time that the other side, or a client behind it, could take otherwise."""

from dataclasses import dataclass

MB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds of one link."""

    # Of one frame: the largest answer with its metadata. Beyond it the call, or the link, ends.
    message_bytes: int = 16 * MB
    calls: int = 10_000  # that are open, each way
    unsent_bytes: int = 4 * MB  # that wait to be sent; beyond it new calls are refused
    # Of requests that are being answered, of answers that are unsent, and of parts of streams that are unread.
    held_bytes: int = 64 * MB
    window: int = 64 * 1024  # octets of a stream that travel before its asker has read any
    hello_s: float = 5  # for the whole greeting
    ping_after_s: float = 2  # of silence
    pong_within_s: float = 3
    last_words_s: float = 1  # for a reason to reach the other side before the connection is cut


def limits_for(message_bytes_max: int) -> Limits:
    """Return the bounds for requests of at most *message_bytes_max*. Answers are seldom larger; four times as much is let through."""
    usual = Limits()
    return Limits(
        message_bytes=max(usual.message_bytes, 4 * message_bytes_max),
        held_bytes=max(usual.held_bytes, 16 * message_bytes_max),
    )
