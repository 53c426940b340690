"""`osmia logout`: forget a sign-in."""

import typer

from osmia_broker.cli import profiles
from osmia_broker.cli.profiles import Profile
from osmia_broker.cli.session import Session, with_session

app = typer.Typer(add_completion=False)


@app.command()
@with_session
def logout(session: Session) -> None:
    """Forget the password or the tokens of a profile; its address stays. At the provider, you stay signed in.

    Example: osmia logout --profile work
    """
    name, profile = profiles.for_sign_in(session.profile, session.address)
    was_signed_in = profile.is_signed_in
    if was_signed_in:
        profiles.keep(name, Profile(profile.address))
    text = (
        f"Signed out of {name}, at {profile.address}" if was_signed_in else f"Nobody was signed in at {profile.address}"
    )
    session.one({"name": name, "address": profile.address}, key="name", text=text)
