"""`osmia login`: sign in at a broker, and let the commands that follow do so by themselves."""

import shlex
import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from osmia_broker.base.surroundings import has_browser
from osmia_broker.cli import profiles
from osmia_broker.cli.failures import Exit, Failure, usage
from osmia_broker.cli.password_files import first_line
from osmia_broker.cli.profiles import Profile, Renewal
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import Password

app = typer.Typer(add_completion=False)

NOBODY = "nobody"  # a token that no broker takes


@app.command()
@with_session
def login(
    session: Session,
    user: Annotated[
        str, typer.Option("--user", "-u", metavar="NAME", help="The user of a broker with passwords.")
    ] = "",
    password_file: Annotated[
        str,
        typer.Option(metavar="FILE", help="Read the password's one line from a file; - reads stdin."),
    ] = "",
    issuer: Annotated[
        str, typer.Option(metavar="URL", help="The OpenID Connect provider that the broker trusts.")
    ] = "",
    client_id: Annotated[
        str, typer.Option(metavar="ID", help="The id that the provider has given to this program.")
    ] = "osmia",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser; only say its address.")] = False,
) -> None:
    """Sign in with a password, or at a provider with --issuer, and keep that for the commands that follow.

    Without --password-file, OSMIA_USER and OSMIA_PASSWORD count; else the password is asked for. What signs in is kept in the profile of the
    broker, in a file that only you may read; osmia logout forgets it.

    Example: osmia login --user anna
    """
    name, profile = profiles.for_sign_in(session.profile, session.address)
    if _is_open(session, profile.address):
        session.say(f"The broker at {profile.address} asks nobody to sign in, so nothing was kept.")
        return
    signed_in = (
        _at_provider(session, profile, issuer, client_id, opens=not no_browser)
        if issuer
        else _with_password(profile, user, password_file)
    )
    _expect_taken(session, signed_in)
    is_in_use = profiles.keep(name, signed_in)
    row = {"name": name, "address": profile.address, "user": signed_in.user or None}
    who = f" as {signed_in.user}" if signed_in.user else ""
    session.one(row, key="name", text=f"Signed in at {profile.address}{who}; kept in the profile {name}")
    session.say(
        f"That profile is in use: commands call {profile.address} unless they are told another broker."
        if is_in_use
        else f"Another profile is in use; osmia profile use {name} changes that."
    )


def _is_open(session: Session, address: str) -> bool:
    """Whether the broker takes anybody: it takes somebody who is nobody."""
    try:
        _call(session, Profile(address, NOBODY))
    except Failure as failure:
        if failure.code == "UNAUTHENTICATED":
            return False
        raise
    return True


def _expect_taken(session: Session, signed_in: Profile) -> None:
    try:
        _call(session, signed_in)
    except Failure as failure:
        if failure.code == "UNAUTHENTICATED":
            failure.mend = f"--address {shlex.quote(signed_in.address)}   (once more)"
        raise


def _call(session: Session, profile: Profile) -> None:
    """Make a call that needs a sign-in, and nothing else."""
    with session.client(profile.address, profile=profile) as client:
        client.topology()


def _with_password(profile: Profile, user: str, password_file: str) -> Profile:
    if not password_file and (given := _given(user)):
        return Profile(profile.address, user=given.user, password=given.password)
    is_at_terminal = sys.stdin.isatty()
    if not user and not is_at_terminal:
        raise usage(
            "Expected the name of who signs in, but nobody is at the terminal to type it.",
            "--user NAME --password-file FILE   (or --issuer URL for a provider)",
        )
    if not password_file and not is_at_terminal:
        raise usage("Nobody is at the terminal to type a password.", "--password-file FILE   (- is standard input)")
    name = user or str(typer.prompt("User", err=True))
    password = (
        first_line(password_file)
        if password_file
        else str(typer.prompt(f"Password of {name}", hide_input=True, err=True))
    )
    if not password or ":" in name:
        raise usage(
            "Expected a user's name without a colon, and a password."
            if ":" in name
            else "Expected a password, but found none."
        )
    return Profile(profile.address, user=name, password=password)


def _given(user: str) -> "Password | None":
    """Return the sign-in of the environment, unless it is that of another person than *user*."""
    from osmia.access import password_in

    try:
        found = password_in(user=user)
    except ValueError as error:
        raise usage(f"{error}.") from error
    return found if found and user in ("", found.user) else None


def _at_provider(session: Session, profile: Profile, issuer: str, client_id: str, *, opens: bool) -> Profile:
    from osmia_broker.cli import provider_sign_in

    def open_browser(url: str) -> None:
        if opens and has_browser():
            webbrowser.open(url)

    try:
        document = provider_sign_in.discover(issuer)
        granted = provider_sign_in.sign_in(document, client_id, show=session.say, opens=open_browser)
    except Failure as failure:  # the advice is the typed command, with all that it names
        is_of_provider = failure.exit is Exit.UNREACHABLE
        failure.mend = "--issuer URL" if is_of_provider else f"--issuer {shlex.quote(issuer)}   (once more)"
        raise
    refusal = Failure(
        Exit.NOT_ALLOWED,
        f"The provider gave no token that the broker at {profile.address} can read.",
        why="Tokens for it have to be JWTs for the audience of the broker: the provider has settings for that.",
        code="UNAUTHENTICATED",
    )
    for token in granted.tokens:
        shows_id = token == granted.id_token
        renewal = Renewal(document.token_endpoint, client_id, granted.refresh_token, granted.expires_s, shows_id)
        signed_in = Profile(profile.address, token, renewal=renewal if granted.refresh_token else None)
        try:
            _call(session, signed_in)
        except Failure as failure:
            if failure.code != "UNAUTHENTICATED":
                raise
            refusal = failure
            continue
        return signed_in
    raise refusal
