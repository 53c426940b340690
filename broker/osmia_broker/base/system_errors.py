"""Say what the system refused, in words for a person: no number of an error, no name of a class, no address as Python writes it."""

import os
import re
import socket
import ssl

#: What the resolver of names says. Its numbers are of another list than those of the system.
_UNRESOLVED = {
    socket.EAI_NONAME: "no machine has this name",
    socket.EAI_AGAIN: "the service that knows names does not answer",
}
_NUMBER = re.compile(r"\[Errno (\d+)\]")  # in a text that asyncio made of the refusals of several addresses


def in_words(error: BaseException) -> str:
    """Return the words for *error*, which complete "but found: ". An error that is not the system's keeps its own text."""
    if isinstance(error, socket.gaierror):
        return _UNRESOLVED.get(error.errno or 0, "a name that cannot be resolved")
    if isinstance(error, ssl.SSLError):
        reason = (getattr(error, "reason", "") or "no TLS").replace("_", " ")
        return str(getattr(error, "verify_message", "")) or reason
    if isinstance(error, TimeoutError) and not error.errno:
        return "no answer in time"
    if isinstance(error, UnicodeError):
        return "bytes that are no text in UTF-8"
    text = str(error).strip()
    number = error.errno if isinstance(error, OSError) and error.errno else 0
    if not number and (first := _NUMBER.search(text)):
        number = int(first[1])
    if not number:
        return text or type(error).__name__
    own = error.strerror if isinstance(error, OSError) else ""
    return own if own and "call failed" not in own else os.strerror(number)
