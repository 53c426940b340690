"""Give every command the same options, the connection to the broker, and one way to print and to fail."""

import functools
import inspect
import logging
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.base.edits import nearest
from osmia_broker.base.surroundings import user_without_password
from osmia_broker.cli import streams
from osmia_broker.cli.failures import Exit, Failure, from_call, usage
from osmia_broker.cli.output import Column, Output, Row, write, write_one
from osmia_broker.cli.profiles import Profile, ProfileToken, load, renewed, with_profile
from osmia_broker.cli.times import as_timeout, milliseconds

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.access import SignIn

EVERYWHERE = "Options of every command"
DETAILS_WIDTH = 76  # of 80 columns, behind an indent
TIMEOUT = timedelta(seconds=10)
FILE_VARIABLE = re.compile(r"OSMIA_\w+_FILE")
REQUEST_ID = "osmia-request-id"  # the metadata by which the broker's log names the calls of a command


Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Else OSMIA_ADDRESS, ZEEBE_ADDRESS, 127.0.0.1:26500.",
        rich_help_panel=EVERYWHERE,
    ),
]
AccessToken = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        help="Who calls; else OSMIA_TOKEN, or OSMIA_USER and OSMIA_PASSWORD.",
        hidden=True,  # the variables are better: others on the machine see options
    ),
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        help="A broker by its name: osmia profile. Else OSMIA_PROFILE.",
        rich_help_panel=EVERYWHERE,
    ),
]
Form = Annotated[
    Output | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        case_sensitive=False,
        help=f"The form of the data: {', '.join(Output)}.",
        rich_help_panel=EVERYWHERE,
    ),
]


def timeout_option(help: str) -> Any:
    """Return the option `--timeout` with its help: what is waited for, and for how long unless it is given."""
    return typer.Option(
        parser=as_timeout, metavar="DURATION", help=help, show_default=False, rich_help_panel=EVERYWHERE
    )


Timeout = Annotated[timedelta | None, timeout_option("How long to wait (500ms, 10s, 5m); 10s unless given.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the data.", rich_help_panel=EVERYWHERE)]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        show_default=False,
        help="Say which broker is called; -vv each call too.",
        rich_help_panel=EVERYWHERE,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.", rich_help_panel=EVERYWHERE)]
NoColor = Annotated[bool, typer.Option("--no-color", help="Plain text.", rich_help_panel=EVERYWHERE)]

Fields = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B,…",
        help="Only these fields of a list, as JSON names them.",
        rich_help_panel=EVERYWHERE,
    ),
]

#: Name, type and default of the options of every command; `osmia` takes them before the command, too.
OPTIONS: dict[str, tuple[Any, Any]] = {
    "address": (Address, None),
    "token": (AccessToken, None),
    "profile": (ProfileName, None),
    "output": (Form, None),
    "timeout": (Timeout, None),
    "quiet": (Quiet, False),
    "yes": (Yes, False),
    "no_color": (NoColor, False),
    "fields": (Fields, None),
    "verbose": (Verbose, 0),
}


ACTING = {"user", "groups"}  #: the options of a command that says who acts


@dataclass(frozen=True, slots=True)
class Session:
    """The common options of one call."""

    address: str | None
    output: Output
    timeout: timedelta | None
    is_quiet: bool
    says_yes: bool
    has_color: bool
    token: str | None = None
    fields: str | None = None
    profile: str | None = None  #: as it was given
    verbosity: int = 0  #: 1: which broker is called; 2: each call
    addressed_by: str = ""  #: the profile that gave the address; empty for none
    signed_in_by: str = ""  #: the profile whose sign-in is sent; empty for none
    acting_user: str = ""  #: `--user` of a command about user tasks

    @contextmanager
    def client(
        self,
        address: str | None = None,
        *,
        found_by: str = "",
        call_timeout: timedelta | None = None,
        user: str = "",
        profile: Profile | None = None,
    ) -> "Iterator[SyncClient]":
        """Connect to *address*, or to the broker that the options name. A failed call becomes a `Failure`.

        *found_by* is the command to try if something is not there: it lists what is. *call_timeout* is for each call, in commands
        where `--timeout` is for something longer. *user*, or else OSMIA_USER, names who calls, while there is no sign-in. The sign-in of
        *profile* is sent in place of that of the options.
        """
        from osmia import SyncClient
        from osmia.access import sign_in_in
        from osmia.errors import OsmiaError

        timeout_ms = milliseconds(call_timeout or self.timeout or TIMEOUT)
        request_id = os.urandom(4).hex()
        try:
            sign_in = (_sign_in(profile) if profile is not None else self.sign_in()) or sign_in_in()
            user = user.strip() or ("" if sign_in is not None else user_without_password().strip())
            metadata = [(REQUEST_ID, request_id), ("osmia-client", "cli"), *([("osmia-user", user)] if user else [])]
            client = SyncClient(address or self.address, call_timeout_ms=timeout_ms, sign_in=sign_in, metadata=metadata)
        except ValueError as error:
            is_address = str(error).startswith("Expected an address")
            file = FILE_VARIABLE.search(str(error))
            mend = "--address 127.0.0.1:26500" if is_address else f"unset {file[0]}" if file else ""
            raise usage(f"{error}.", mend) from error
        self._warn_of_user(sign_in)
        with self._saying_more(client.address, profile, request_id), client:
            try:
                yield client
            except OsmiaError as error:
                by = "" if address or profile else self.addressed_by
                failure = from_call(error, client.address, found_by, by, signs_in=sign_in is not None)
                failure.request_id = request_id
                if failure.exit is Exit.DEFECT:
                    failure.details.append(f"The log of the broker has more about request {request_id}.")
                raise failure from error
            except Failure as failure:
                failure.request_id = request_id
                raise

    def _warn_of_user(self, sign_in: "SignIn | None") -> None:
        """Say that `--user` counts for nothing, if the call signs in as another one."""
        from osmia import Password

        name = sign_in.user if isinstance(sign_in, Password) else ""
        if self.acting_user and sign_in is not None and name != self.acting_user:
            by = f"as {name}" if name else "with a token"
            self.say(f"Warning: --user counts only while sign-in is off; this call signs in {by}.")

    @contextmanager
    def _saying_more(self, address: str, profile: Profile | None, request_id: str) -> "Iterator[None]":
        """Say which broker is called and where the sign-in comes from, and during the block each call: as much as `--verbose` asks for."""
        if not self.verbosity:
            yield
            return
        name = "" if profile is not None else self.signed_in_by
        by = "--token" if self.token else f"the profile {name}" if name and load().get(name).is_signed_in else ""
        streams.say(f"Calling {address}, request {request_id}" + (f", signed in by {by}" if by else ""))
        if self.verbosity == 1:
            yield
            return
        log, saying = logging.getLogger("osmia.calls"), _Saying()
        level, log.propagate = log.level, False
        log.addHandler(saying)
        log.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            log.removeHandler(saying)
            log.setLevel(level)
            log.propagate = True

    def sign_in(self) -> "SignIn | None":
        """Return the sign-in of the options; None if they have none, and the environment is asked.

        A token that expires is renewed as often as the command needs it.

        Raises:
            Failure: the provider of the profile gives no token, or does not answer.
        """
        if self.token:
            return _sign_in(Profile("", self.token))
        if not self.signed_in_by:
            return None
        profile = renewed(self.signed_in_by)
        if profile.renewal is None:
            return _sign_in(profile)
        from osmia import RenewableToken

        return RenewableToken(ProfileToken(self.signed_in_by))

    def say(self, text: str) -> None:
        """Write *text* to stderr for a person, unless `--quiet` is set."""
        if not self.is_quiet:
            streams.say(text)

    def list(self, rows: Sequence[Row], columns: tuple[Column, ...], *, empty: str) -> None:
        """Print a list. If it is empty, a person reads *empty* instead."""
        if self.fields is not None and self.output is not Output.KEY:
            columns = chosen(rows, columns, self.fields)
            if self.output in (Output.JSON, Output.YAML):
                rows = [{column.field: row.get(column.field) for column in columns} for row in rows]
        write(rows, columns, self.output, color=self.has_color)
        if not rows and self.output in (Output.TABLE, Output.WIDE):
            self.say(empty)

    def one(self, row: Row, *, key: str, text: str) -> None:
        """Print one record: *text* for a person, else its fields. *key* is the name of its key field."""
        write_one(row, key, text, self.output)

    @property
    def may_ask(self) -> bool:
        """Whether somebody is at the terminal who has not said `--yes`."""
        return not self.says_yes and sys.stdin.isatty()

    def confirm(self, question: str) -> None:
        """Ask for consent to a step that cannot be undone.

        Raises:
            Failure: USAGE when stdin is no terminal and `--yes` was not given.
            typer.Exit: REFUSED; the answer is no.
        """
        if self.says_yes:
            return
        if not sys.stdin.isatty():
            raise usage(f"{question} Nobody is at the terminal to answer.", "--yes")
        if not typer.confirm(question, err=True):
            self.say("Nothing was done.")
            raise typer.Exit(Exit.REFUSED)


def _sign_in(profile: Profile) -> "SignIn | None":
    from osmia import Password, Token

    if profile.token:
        return Token(profile.token)
    return Password(profile.user, profile.password) if profile.password else None


class _Saying(logging.Handler):
    """Writes what is logged to stderr, for a person."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        streams.say(f"  {record.getMessage()}")


def chosen(rows: Sequence[Row], columns: tuple[Column, ...], names: str) -> tuple[Column, ...]:
    """Return the columns of the fields in *names*, which commas separate; a field is also known by its title in tables.

    Raises:
        Failure: USAGE; a list has no such field.
    """
    by_name = {column.title.lower(): column for column in columns}
    by_name |= {field.lower(): Column(field, field) for row in rows[:1] for field in row}
    by_name |= {column.field.lower(): column for column in columns}
    wanted = []
    for name in filter(None, (name.strip().lower() for name in names.split(","))):
        if name not in by_name:
            known = list(dict.fromkeys(column.field for column in by_name.values()))
            near = nearest(name, by_name)
            field = by_name[near].field if near else columns[0].field
            failure = usage(f"This list has no field '{name}'.", f"--columns {field}")
            failure.details = textwrap.wrap(f"It has {', '.join(known)}.", DETAILS_WIDTH)
            raise failure
        wanted.append(by_name[name])
    if not wanted:
        raise usage("Expected names of fields in --columns, but found none.", f"--columns {columns[0].field}")
    return tuple(replace(column, is_wide=False) for column in wanted)


def with_session(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command to *function*, whose first parameter is a `Session`."""
    return _with_session(function, OPTIONS)


def with_session_and_timeout(help: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return `with_session` for a command that waits for more than an answer. *help* is that of its `--timeout`."""
    options = {**OPTIONS, "timeout": (Annotated[timedelta | None, timeout_option(help)], None)}
    return lambda function: _with_session(function, options)


def _with_session(function: Callable[..., None], offered: dict[str, tuple[Any, Any]]) -> Callable[..., None]:
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[1:]
    names = {parameter.name for parameter in own}
    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    shared = [_parameter(name, *option) for name, option in offered.items() if name not in names]
    parameters = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *shared, context]

    @functools.wraps(function)
    def call(context: typer.Context, **given: Any) -> None:
        options = {name: given.pop(name) for name in OPTIONS if name not in names}
        session = session_of({**(context.obj or {}), **{name: value for name, value in options.items() if value}})
        if names >= ACTING:
            session = replace(session, acting_user=given["user"].strip())
        function(session, **given)

    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by Typer
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def session_of(given: dict[str, Any]) -> Session:
    """Return the session that options by name describe, with the profile that holds for them."""
    options = with_profile(given)
    return Session(
        address=options.get("address"),
        token=options.get("token"),
        output=options.get("output") or Output.TABLE,
        timeout=options.get("timeout"),
        is_quiet=bool(options.get("quiet")),
        says_yes=bool(options.get("yes")),
        has_color=not options.get("no_color"),
        fields=options.get("fields"),
        verbosity=int(options.get("verbose") or 0),
        profile=options.get("profile"),
        addressed_by=options.get("addressed_by") or "",
        signed_in_by=options.get("signed_in_by") or "",
    )
