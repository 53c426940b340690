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
    text = f"{'Signed out' if was_signed_in else 'Nobody was signed in'} at {place_of(name, profile)}"
    session.one({"name": name, "address": profile.address}, key="name", text=text)
    if profiles.load().in_use == name:
        session.say(f"Commands still call it: the profile {name} is in use. osmia profile remove {name} ends that.")


def place_of(name: str, profile: Profile) -> str:
    """Return the address of a profile, with its name where that is another word."""
    return profile.address if name == profile.address else f"{profile.address}, the profile {name}"
