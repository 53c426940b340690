"""End a command: exit codes, and each failure in three lines that help.

    Error: <what happened>
      why: <a reason that the first line has no room for>
      try: <a command>

The broker's own sentence about a refused call is the first line: it says what happened. With `--output json` the same is
`{"error": {"code", "message", "hint", "requestId"}}`. Both go to stderr.
"""

import re
import shlex
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import TYPE_CHECKING

import msgspec

from osmia_broker.base.surroundings import user_without_password
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli import streams
from osmia_broker.cli.advice import typed

if TYPE_CHECKING:
    from osmia._reasons import Reason
    from osmia.errors import OsmiaError


class Exit(IntEnum):
    """The exit codes, one for each way to end that a script may have to distinguish."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    TIMED_OUT = 6
    NOT_ALLOWED = 7
    PARTLY = 8
    DEFECT = 70
    INTERRUPTED = 130


ERROR, WHY, TRY = "Error: ", "  why: ", "  try: "


class Failure(Exception):
    """A command failed. *what* is a sentence, *why* the broker's own words, *mend* a command to try now.

    A *mend* that begins with an option or a variable is completed to the command that was typed, see `advice`.

    *details* are for what has many reasons, such as a deployment: one line each, before the other two.
    """

    def __init__(
        self, exit: Exit, what: str, *, why: str = "", mend: str = "", code: str = "", details: Sequence[str] = ()
    ) -> None:
        super().__init__(what)
        self.exit = exit
        self.what = what
        self.why = why
        self.mend = mend
        self.code = code or exit.name
        self.details = list(details)
        self.request_id = ""  # by which the log of the broker names its calls; empty for a command that made none

    def text(self) -> str:
        """Return the lines for a person. Control characters in quoted text cannot reach the terminal."""
        lines = [ERROR + self.what, *(f"  {detail}" for detail in self.details)]
        lines += [WHY + self.why] if self.why else []
        lines += [TRY + self.mend] if self.mend else []
        return "\n".join(_printable(line) for line in lines)

    def json(self) -> str:
        """Return the object for a program."""
        message = " ".join(filter(None, (self.what, self.why, "; ".join(self.details))))
        error: dict[str, object] = {
            "code": self.code,
            "message": message,
            "hint": self.mend,
            "requestId": self.request_id,
        }
        if self.details:
            error["details"] = self.details
        return msgspec.json.encode({"error": error}).decode()


def usage(what: str, mend: str = "") -> Failure:
    """Return the failure for a wrong command line."""
    return Failure(Exit.USAGE, what, mend=mend, code="USAGE")


def unwritten(error: OSError) -> Failure:
    """Return the failure for output that could not be written because of *error*."""
    return Failure(Exit.REFUSED, "The output cannot be written.", why=in_words(error), code="OUTPUT")


def report(failure: Failure, arguments: list[str]) -> int:
    """Write *failure* to stderr in the form that *arguments* ask for, and return its exit code."""
    wants_json = any(
        option in ("--output=json", "-ojson") or (option in ("-o", "--output") and value == "json")
        for option, value in zip(arguments, [*arguments, ""][1:], strict=True)
    )
    failure.mend = typed(failure.mend, arguments)
    streams.say(failure.json() if wants_json else failure.text())
    return failure.exit


def carried_out(call: Callable[[], int | None], arguments: list[str]) -> int:
    """Carry out *call*, which *arguments* ask for, and return the exit code. A failure has then been reported on stderr.

    Raises:
        ModuleNotFoundError: a package is not installed.
    """
    try:
        return call() or Exit.DONE
    except Failure as failure:
        return report(failure, arguments)
    except ModuleNotFoundError:
        raise
    except OSError as error:
        if streams.output_error() is not None:
            return Exit.DONE  # as far as the command is concerned; `main` looks at the output
        return _defect(error, arguments)
    except Exception as error:  # noqa: BLE001 - the last door: a script must see 70, a person the text to report
        return _defect(error, arguments)


@contextmanager
def until_interrupted() -> Iterator[None]:
    """Let a Ctrl-C end the block as usual: for what has no other end. The exit code is then 0, and 130 where a command was cut short."""
    with suppress(KeyboardInterrupt):
        yield


@contextmanager
def telling_end(what: str, mend: str, end: Callable[[], str]) -> Iterator[None]:
    """Carry out a block about *what* ("Instance 12"), which must not have ended: the broker does not find it then, and a person does.

    *end* asks for the state in which it has ended; empty if it has not.

    Raises:
        Failure: CONFLICT; it has ended.
    """
    from osmia.errors import NotFound, Refused

    try:
        yield
    except NotFound:
        with suppress(Refused):
            if state := end():
                told = f"{what} has ended ({state.lower()}) and stays as it is."
                raise Failure(Exit.CONFLICT, told, mend=mend, code="FAILED_PRECONDITION") from None
        raise


def _defect(error: Exception, arguments: list[str]) -> int:
    streams.say(traceback.format_exc().rstrip())
    return report(Failure(Exit.DEFECT, f"A defect in Osmia: {type(error).__name__}: {error}"), arguments)


def from_child(exit_code: int | None, words: str) -> Failure:
    """Return the failure of a broker that this process started: its own three lines, found in its last *words*."""
    lines = words.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(ERROR)]
    if not starts or exit_code is None or exit_code not in (*Exit,):
        return Failure(Exit.UNREACHABLE, "The broker did not start.", why=lines[-1] if lines else "it wrote no log")
    own = lines[starts[-1] :]
    why, mend = (next((line.removeprefix(key) for line in own if line.startswith(key)), "") for key in (WHY, TRY))
    return Failure(Exit(exit_code), own[0].removeprefix(ERROR), why=why, mend=mend, code="BROKER_NOT_STARTED")


#: By the name of the gRPC status; any other status is a fault of the broker.
EXITS = {
    "NOT_FOUND": Exit.NOT_FOUND,
    "ALREADY_EXISTS": Exit.CONFLICT,
    "FAILED_PRECONDITION": Exit.CONFLICT,
    "INVALID_ARGUMENT": Exit.REFUSED,
    "OUT_OF_RANGE": Exit.REFUSED,
    "UNIMPLEMENTED": Exit.REFUSED,
    "PERMISSION_DENIED": Exit.NOT_ALLOWED,
    "UNAUTHENTICATED": Exit.NOT_ALLOWED,
    "RESOURCE_EXHAUSTED": Exit.UNREACHABLE,
    "UNAVAILABLE": Exit.UNREACHABLE,
    "CANCELLED": Exit.UNREACHABLE,
    "ABORTED": Exit.UNREACHABLE,
    "DEADLINE_EXCEEDED": Exit.TIMED_OUT,
}

SIGN_IN = "osmia login --user NAME   (or --issuer URL of a provider; or OSMIA_USER and OSMIA_PASSWORD; or OSMIA_TOKEN)"
WRONG_PAIR = "the name and the password of a user, but found others"  # as the broker says it
#: What happened and what to try, where the broker's own words say it to nobody but an expert.
SENTENCES = {
    "DEADLINE_EXCEEDED": ("No answer from {address} in time.", "--timeout 60s"),
    "UNAUTHENTICATED": (
        "The broker at {address} does not know you.",
        SIGN_IN,
    ),
    "UNAVAILABLE": ("The broker at {address} is not ready.", "osmia status"),
    "CANCELLED": ("The broker at {address} went away.", "osmia status"),
    "UNIMPLEMENTED": ("The broker at {address} does not know this call.", "osmia status   (shows its version)"),
}


OTHER_SIGN_IN = "osmia login --user NAME   (who may; with a sign-in, --user and OSMIA_USER do not say who acts)"
NAMELESS = re.compile(r"nobody is named as the acting person|somebody without a name")
WHO = "--user NAME --groups NAME,NAME   (who acts; or OSMIA_USER and OSMIA_GROUPS)"
SUSPENDED = re.compile(r"but process instance '(\d+)'.* is suspended$")
LOOPBACK = re.compile(r"(127\.[\d.]+|localhost|\[::1\]):\d+")


def from_call(
    error: "OsmiaError", address: str, found_by: str = "", profile: str = "", *, signs_in: bool = False
) -> Failure:
    """Return the failure for a refused or failed call to the broker at *address*, which *profile* named if there is one.

    *found_by* is a command that lists what is there. *signs_in* says that the call carried a sign-in.
    """
    status = error.code.name
    if status == "RESOURCE_EXHAUSTED":
        from osmia.errors import InvalidArgument

        return _exhausted(error.details, address, is_too_large=isinstance(error, InvalidArgument))
    if error.reason is not None:
        return _unreachable(error.reason, error.details, address, profile)
    sentence = error.sentence
    exit = EXITS.get(status, Exit.DEFECT)
    if status == "UNAUTHENTICATED" and WRONG_PAIR in sentence:
        what = f"Wrong name or password for the broker at {address}."
        return Failure(exit, what, mend=SENTENCES[status][1], code=status)
    if status == "UNAUTHENTICATED" and (name := user_without_password()):
        what = f"The broker at {address} wants a password for '{name}', the user of OSMIA_USER."
        mend = f"osmia login --user {shlex.quote(name)}   (or OSMIA_PASSWORD beside OSMIA_USER)"
        return Failure(exit, what, mend=mend, code=status)
    if status in SENTENCES:
        what, mend = SENTENCES[status]
        return Failure(exit, what.format(address=address), why=sentence, mend=mend, code=status)
    if exit is Exit.DEFECT:
        return Failure(exit, f"The broker at {address} has a fault.", why=sentence, code=status)
    is_about_people = status == "PERMISSION_DENIED" and "user task" in sentence
    who = OTHER_SIGN_IN if signs_in else WHO
    suspended = SUSPENDED.search(sentence)
    mend = found_by if status == "NOT_FOUND" else who if is_about_people else ""
    if not is_about_people and NAMELESS.search(sentence):
        mend = SIGN_IN if signs_in else "--user NAME   (who acts; or OSMIA_USER)"
    if suspended:
        mend = f"osmia instance resume {shlex.quote(suspended[1])}   (when it may go on: it takes nothing before)"
    what = _not_there(sentence) if status == "NOT_FOUND" else sentence_of(sentence)
    return Failure(exit, what or "The broker refused.", mend=mend, code=status)


#: The broker says that a thing is not there in the words of the reference, which name the call; a person needs the thing alone.
NOT_THERE = re.compile(
    r"^Expected .*?(?P<noun>(?:process|element) instance|process definition|user task|job|incident|resource|proposal|batch operation) "
    r"(?:with key '(?P<key>\d+)', but no such .* was found|but no .* found with key '(?P<other>\d+)')$"
)
WORDS = {"user task": "task"}  #: the word of the command line


def _not_there(sentence: str) -> str:
    found = NOT_THERE.match(sentence)
    if found is None:
        return sentence_of(sentence)
    return f"There is no {WORDS.get(found['noun'], found['noun'])} with key {found['key'] or found['other']}."


def sentence_of(text: str) -> str:
    """Return the broker's words as a sentence."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."


REFUSED_CONNECTION = re.compile(r"connection refused", re.IGNORECASE)
UNKNOWN_NAME = re.compile(r"errors resolving|name not found", re.IGNORECASE)
GRPC_PORT = 26500  # of a broker that was told no other
OTHER_MEND = "--address HOST:PORT   (where one runs; or OSMIA_ADDRESS)"
PROFILE_MEND = "osmia profile list   (osmia profile use NAME takes another)"
TLS_MEND = "OSMIA_CA_CERT=FILE   (the authority of its certificate; and https:// before the address)"


def _unreachable(reason: "Reason", details: str, address: str, profile: str) -> Failure:
    """Return the failure for an address where no broker answers. One on this machine can be started; of another the network says more."""
    from osmia._reasons import NOBODY, PLAIN, STRANGER

    is_here = LOOPBACK.fullmatch(address) is not None
    what, why, mend = sentence_of(reason.sentence_about(address)), details, TLS_MEND
    if reason.name == STRANGER:
        what = f"At {address} answers a program that does not speak gRPC."
        mend = f"--address {shlex.quote(address.rpartition(':')[0])}:{GRPC_PORT}   (the gRPC port of a broker that was told no other)"
    elif reason.name == NOBODY:
        what, mend = f"No broker answers at {address}.", _starting(address) if is_here else OTHER_MEND
        if UNKNOWN_NAME.search(details):
            what = f"No broker answers at {address}: no machine of this name is known."
        if profile:
            what, mend = f"No broker answers at {address}, the address of the profile '{profile}'.", PROFILE_MEND
    elif reason.name == PLAIN:
        mend = f"--address {shlex.quote(address.removeprefix('https://'))}"
    is_said = reason.name in (STRANGER, PLAIN) or UNKNOWN_NAME.search(details)
    if is_said or (is_here and REFUSED_CONNECTION.search(details)):
        why = ""  # the words of a library, which say the same once more
    return Failure(Exit.UNREACHABLE, what, why=why, mend=mend, code="UNAVAILABLE")


def _starting(address: str) -> str:
    """Return the command that starts a broker at *address*, which is of this machine."""
    host, _, port = address.rpartition(":")
    words = [] if host in ("127.0.0.1", "localhost") else ["--host", host.strip("[]")]
    words += [] if port == str(GRPC_PORT) else ["--grpc-port", port]
    return f"osmia broker {shlex.join(words)}   (starts one there)" if words else "osmia demo   (starts one here)"


def _exhausted(details: str, address: str, *, is_too_large: bool) -> Failure:
    """Return the failure for one of the three causes of RESOURCE_EXHAUSTED. Only a busy broker takes the same call later."""
    if is_too_large:
        what, exit = f"The message is too large for the broker at {address}.", Exit.REFUSED
        mend = "osmia broker --max-message-size 16MiB   (or smaller variables, or fewer files)"
    elif "disk" in details.lower():
        what, exit = f"The disk of the broker at {address} is full.", Exit.UNREACHABLE
        mend = "osmia status   (again, when there is room on its disk)"
    else:
        what, exit = f"The broker at {address} turned the call away.", Exit.UNREACHABLE
        mend = "osmia status   (then the same again)"
    return Failure(exit, what, why=details, mend=mend, code="RESOURCE_EXHAUSTED")


def _printable(line: str) -> str:
    return "".join(character if character.isprintable() else " " for character in line)
