"""Make the advice behind `try:` a command that can be typed as it stands.

A failure is raised where little is known of the command line: the advice there is an option (`--sort newest`) or a variable
(`OSMIA_GRPC_PORT=26500`). Here it becomes the user's own command with that option, or behind that variable.
"""

import re
import shlex
from collections.abc import Sequence
from urllib.parse import unquote

from osmia_broker.base.addresses import without_password

#: The short names of options that advice is about.
SHORT = {"--output": "-o", "--yes": "-y", "--user": "-u", "--type": "-t", "--process": "-p"}
SECRET = "--token"  # noqa: S105 - an option, whose value is not repeated
ADDRESS = "--address"
LOGIN = "osmia login "  #: the command that must reach the same broker as the call that failed
ANY_NAME = "NAME"  #: in advice about an option of NAME=VALUE; whose name it is, nobody knows
CHARACTERS_MAX = 300  # of a command; a longer one is not repeated
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*=")
_PASSWORD = re.compile(r"://[^/@]*:.*@|[?&][^=&]*password=", re.IGNORECASE | re.DOTALL)  # in a URL
_REMARK = "   ("  # behind a command, in brackets


def typed(advice: str, arguments: Sequence[str]) -> str:
    """Return *advice* as a command. *arguments* are those of the call that failed."""
    words, gap, remark = advice.partition(_REMARK)
    if _VARIABLE.match(words):
        command = f"{words} {_osmia(_shown(arguments))}"
    elif words.startswith("--"):
        call = _shown(arguments)
        for option, value in _options(words):
            changed = _with(call, option, value)
            if changed is None:
                return advice
            call = changed
        command = _osmia(call)
    elif words.startswith(LOGIN) and (address := _address(arguments)):
        command = f"{words} {ADDRESS} {shlex.quote(without_password(address))}"
    else:
        return advice
    return f"{command}{gap}{remark}" if len(command) <= CHARACTERS_MAX and command.isprintable() else advice


def _address(arguments: Sequence[str]) -> str:
    """Return the address of the broker that the call names itself; empty if it names none."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    named = [
        _value(arguments[:end], place, ADDRESS) for place, word in enumerate(arguments[:end]) if _is(word, ADDRESS)
    ]
    return named[-1] if named else ""


def _osmia(arguments: Sequence[str]) -> str:
    return shlex.join(["osmia", *arguments])


def _options(words: str) -> list[tuple[str, str | None]]:
    """Return the options of *words*, each with its value; None for a switch."""
    found: list[tuple[str, str | None]] = []
    for word in shlex.split(words):
        if word.startswith("--"):
            found.append((word, None))
        else:
            found[-1] = (found[-1][0], word)
    return found


def _shown(arguments: Sequence[str]) -> list[str]:
    """Return *arguments* without a secret."""
    shown = [f"{SECRET}=TOKEN" if one.startswith(f"{SECRET}=") else _without_password(one) for one in arguments]
    return ["TOKEN" if before == SECRET else one for before, one in zip(["", *shown], shown, strict=False)]


def _without_password(word: str) -> str:
    """Return *word*; if it is a URL with a password, or an option with one, without that."""
    option, equals, url = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{without_password(url)}" if _PASSWORD.search(unquote(url)) else word


def _with(arguments: Sequence[str], option: str, value: str | None) -> list[str] | None:
    """Return *arguments* with *option*, in the place where it stands already; None if it cannot be told which of several places is meant."""
    call = list(arguments)
    end = call.index("--") if "--" in call else len(call)  # behind it are words of another program
    places = [place for place, word in enumerate(call[:end]) if _is(word, option)]
    if value is not None and "=" in value:  # of NAME=VALUE, the one of the same name
        name = value.partition("=")[0]
        same = [place for place in places if _value(call, place, option).partition("=")[0].rstrip(":") == name]
        is_another = not same and name != ANY_NAME and all("=" in _value(call, place, option) for place in places)
        if len(places) > 1 and len(same) != 1 and not is_another:
            return None
        places = same if same or is_another else places
    places = places[-1:]  # the last one counts
    said = [option] if value is None else [option, value]
    if not places:
        return [*call[:end], *said, *call[end:]]
    [place] = places
    has_value_behind = value is not None and call[place] in (option, SHORT.get(option))
    return [*call[:place], *said, *call[place + 1 + has_value_behind :]]


def _value(call: Sequence[str], place: int, option: str) -> str:
    """Return the value of the *option* at *place*, which stands in the same word or in the next one."""
    if call[place] not in (option, SHORT.get(option)):
        return call[place].removeprefix(option).removeprefix("=")
    return call[place + 1] if place + 1 < len(call) else ""


def _is(word: str, option: str) -> bool:
    short = SHORT.get(option)
    is_short = short is not None and word.startswith(short) and not word.startswith("--")
    return word == option or word.startswith(f"{option}=") or is_short
