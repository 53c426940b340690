"""`osmia user`: the users of basic sign-in, in a file beside the data. A running broker sees a change at the next call."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from osmia_broker.auth import passwords, users_file
from osmia_broker.auth.user import is_name
from osmia_broker.auth.users_file import StoredUser, Users, UsersFileError
from osmia_broker.cli import preflight
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.output import Column
from osmia_broker.cli.password_files import first_line
from osmia_broker.cli.session import Session, with_session
from osmia_broker.settings import config, sources

app = typer.Typer(add_completion=False, help="People who may sign in with a password: add, list, password, remove.")


Name = Annotated[str, typer.Argument(metavar="NAME", help="The user's name; it is the assignee of their tasks.")]
DataDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The data directory of the broker; else OSMIA_DATA_DIR, osmia-data.")
]
File = Annotated[Path | None, typer.Option("--file", metavar="FILE", help="The file of the users, if it is elsewhere.")]
Group = Annotated[list[str] | None, typer.Option("--group", "-g", metavar="NAME", help="A group of the user.")]
PasswordFile = Annotated[
    str, typer.Option(metavar="FILE", help="Read the password's one line from a file; - reads stdin. Else it is asked.")
]


@app.callback()
def user() -> None:
    """Keep the list of people who may sign in with a password: add, list, password, remove."""


@app.command()
@with_session
def add(
    session: Session,
    name: Name,
    group: Group = None,
    full_name: Annotated[str, typer.Option("--full-name", metavar="TEXT", help="The name for people.")] = "",
    email: Annotated[str, typer.Option(metavar="TEXT", help="The address for mail.")] = "",
    password_file: PasswordFile = "",
    data_dir: DataDir = None,
    file: File = None,
) -> None:
    """Add a user.

    Example: osmia user add anna --group family --group office
    """
    try:
        users_file.expect_name(name)
    except ValueError as error:
        raise usage(f"{error}.") from error
    for one in group or ():
        if not is_name(one):
            raise usage(f"Expected a group's name of 1 to 256 printable characters, but found {one[:80]!r}.")
    where = _where(data_dir, file)
    _expect_new(_present(data_dir, file), name, where)
    stored = passwords.hashed(_password(name, password_file))
    with _changing(data_dir, file) as users:
        _expect_new(users, name, where)
        users[name] = StoredUser(name, stored, tuple(dict.fromkeys(group or ())), full_name, email)
    session.say(f"Added {name}")


@app.command("list")
@with_session
def list_(session: Session, data_dir: DataDir = None, file: File = None) -> None:
    """List the users and their groups; nobody sees passwords.

    Example: osmia user list
    """
    path = _path(data_dir, file)
    if data_dir is not None and not path.parent.is_dir():
        what = f"There is no directory '{path.parent}'."
        raise usage(what, "osmia user list --data-dir DIR   (the data directory of the broker)")
    users = _present(data_dir, file)
    rows = [
        {"name": one.name, "groups": list(one.groups), "fullName": one.display_name, "email": one.email}
        for one in users.values()
    ]
    columns = (
        Column("name", "NAME"),
        Column("groups", "GROUPS", text=lambda row: ", ".join(row["groups"])),
        Column("fullName", "FULL NAME"),
        Column("email", "MAIL"),
    )
    session.list(rows, columns, empty="No users. Add one: osmia user add NAME")


@app.command()
@with_session
def password(
    session: Session, name: Name, password_file: PasswordFile = "", data_dir: DataDir = None, file: File = None
) -> None:
    """Give a user a new password. Sessions that were begun with the old one end.

    Example: osmia user password anna
    """
    where = _where(data_dir, file)
    _known(_present(data_dir, file), name, where)
    stored = passwords.hashed(_password(name, password_file))
    with _changing(data_dir, file) as users:
        known = _known(users, name, where)
        users[name] = StoredUser(name, stored, known.groups, known.display_name, known.email)
    session.say(f"Changed the password of {name}")


@app.command()
@with_session
def remove(session: Session, name: Name, data_dir: DataDir = None, file: File = None) -> None:
    """Remove a user, and end their sessions. Their tasks stay as they are.

    Example: osmia user remove anna
    """
    where = _where(data_dir, file)
    _known(_present(data_dir, file), name, where)
    session.confirm(f"Remove {name}?")
    with _changing(data_dir, file) as users:
        _known(users, name, where)
        del users[name]
    session.say(f"Removed {name}")


def _present(data_dir: Path | None, file: Path | None) -> Users:
    """Return the users as they are now. Nobody is asked a question while the file is locked: others would wait for the answer."""
    with _failing():
        return users_file.read(_path(data_dir, file))


def _expect_new(users: Users, name: str, where: str) -> None:
    if name in users:
        what = f"There is a user '{name}' already."
        raise Failure(
            Exit.CONFLICT, what, mend=f"osmia user password {shlex.quote(name)}{where}", code="ALREADY_EXISTS"
        )


def _known(users: Users, name: str, where: str) -> StoredUser:
    if name not in users:
        raise Failure(Exit.NOT_FOUND, f"There is no user '{name}'.", mend=f"osmia user list{where}", code="NOT_FOUND")
    return users[name]


def _where(data_dir: Path | None, file: Path | None) -> str:
    """Return the options that name the file of the users, for an advice about the same users."""
    given = {"--data-dir": data_dir, "--file": file}
    return "".join(f" {option} {shlex.quote(str(path))}" for option, path in given.items() if path)


def _path(data_dir: Path | None, file: Path | None) -> Path:
    """Return the file of the users that the options, the environment or osmia.toml name."""
    try:
        return sources.load({"data_dir": data_dir, "users_file": file, "auth": "basic"}).users_path
    except config.ConfigError as error:
        raise usage(f"{error}.", error.hint) from error


@contextmanager
def _changing(data_dir: Path | None, file: Path | None) -> Iterator[Users]:
    path = _path(data_dir, file)
    preflight.prepare_data_dir(path.parent, mend="osmia user add NAME --data-dir DIR")
    with _failing(), users_file.changing(path) as users:
        yield users


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what is wrong with the file into a `Failure`."""
    try:
        yield
    except UsersFileError as error:
        raise Failure(Exit.REFUSED, f"{error}.", code="USERS_FILE") from error


def _password(name: str, file: str) -> str:
    """Return the new password, from a file, from stdin, or asked twice at the terminal. It is no option: others see those.

    Raises:
        Failure: USAGE; there is none, or it is too weak.
    """
    if file:
        given = first_line(file)
    elif sys.stdin.isatty():
        given = typer.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise usage("Nobody is at the terminal to type a password.", "--password-file FILE   (- is standard input)")
    try:
        passwords.expect_strong(name, given)
    except ValueError as error:
        raise usage(f"{error}.") from error
    return str(given)
