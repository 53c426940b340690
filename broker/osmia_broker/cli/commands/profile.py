"""`osmia profile`: brokers under names, so that their addresses and tokens are not typed again."""

import shlex
import sys
from typing import Annotated

import typer

from osmia_broker.base.counted import counted
from osmia_broker.cli.failures import usage
from osmia_broker.cli.output import Column
from osmia_broker.cli.profiles import LIST, Profile, changing, load
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False, help="Brokers under names: add, list, use, remove.", no_args_is_help=True)

COLUMNS = (
    Column("name", "NAME"),
    Column("address", "ADDRESS"),
    Column("isSignedIn", "SIGNED IN"),
    Column("isInUse", "IN USE"),
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the profile.")]


@app.command()
@with_session
def add(
    session: Session,
    name: Name,
    place: Annotated[str, typer.Argument(metavar="HOST:PORT", help="The gRPC address of the broker.")],
    reads_token: Annotated[
        bool, typer.Option("--with-token", help="Read a token from stdin: options are seen by others on the machine.")
    ] = False,
) -> None:
    """Add a profile, or replace the one of this name. The first one is in use at once.

    Example: osmia profile add work broker.example.org:26500
    """
    from osmia import SyncClient

    if not name.strip() or name.startswith("-"):
        raise usage("A profile needs a name.", "osmia profile add work HOST:PORT")
    token = sys.stdin.readline().removeprefix("\ufeff").strip() if reads_token else ""
    if reads_token and not token:
        raise usage(
            "Expected a token on stdin, but found none.",
            f"{shlex.join(['osmia', 'profile', 'add', name, place])} --with-token < FILE",
        )
    try:
        SyncClient(place).close()
    except ValueError as error:
        raise usage(f"{error}.", f"osmia profile add {shlex.quote(name)} 127.0.0.1:26500") from error
    with changing() as profiles:
        profiles.by_name[name] = Profile(place, token)
        profiles.in_use = profiles.in_use or name
    text = f"Added {name}: {place}{', in use' if profiles.in_use == name else ''}"
    session.one({"name": name, "address": place}, key="name", text=text)


@app.command("list")
@with_session
def list_(session: Session) -> None:
    """List the profiles. Tokens are not shown.

    Example: osmia profile list
    """
    profiles = load()
    rows = [
        {
            "name": name,
            "address": one.address,
            "hasToken": bool(one.token),
            "isSignedIn": one.is_signed_in,
            "isInUse": name == profiles.in_use,
        }
        for name, one in sorted(profiles.by_name.items())
    ]
    session.list(rows, COLUMNS, empty="There is no profile: osmia profile add NAME HOST:PORT")


@app.command()
@with_session
def use(session: Session, name: Name) -> None:
    """Let commands call the broker of this profile, unless they are told another one.

    Example: osmia profile use work
    """
    with changing() as profiles:
        place = profiles.get(name).address
        profiles.in_use = name
    session.one({"name": name, "address": place}, key="name", text=f"Using {name}: {place}")


@app.command()
@with_session
def remove(session: Session, name: Name) -> None:
    """Remove a profile with its token.

    Example: osmia profile remove work
    """
    with changing() as profiles:
        profiles.get(name)
        del profiles.by_name[name]
        if profiles.in_use == name:
            profiles.in_use = ""
        others = len(profiles.by_name)
    more = f"; {LIST} shows the {counted(others, 'other')}" if others else "; it was the last"
    session.one({"name": name}, key="name", text=f"Removed {name}{more}")
