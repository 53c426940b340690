"""The profiles of a person: brokers under names, each with its address and perhaps a sign-in, in one file that only they may read.

The file is `osmia/profiles.json` in the folder of a person's settings (XDG_CONFIG_HOME, else ~/.config). Which broker a command calls is said by,
in this order: --address; --profile or OSMIA_PROFILE; OSMIA_ADDRESS or ZEEBE_ADDRESS; the profile in use; 127.0.0.1:26500.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from osmia_broker.base.edits import nearest
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.failures import Exit, Failure, usage

PROFILE, ADDRESSES = "OSMIA_PROFILE", ("OSMIA_ADDRESS", "ZEEBE_ADDRESS")
SIGN_INS = ("OSMIA_TOKEN", "OSMIA_TOKEN_FILE", "OSMIA_PASSWORD", "OSMIA_PASSWORD_FILE", "ZEEBE_CLIENT_ID")
DEFAULT_ADDRESS = "127.0.0.1:26500"
LIST = "osmia profile list"
TOKEN_LIFE_S = 3_600.0  # of a token whose provider does not say it


@dataclass(frozen=True, slots=True)
class Renewal:
    """The means to a new token when the present one expires (epoch seconds; 0 if the provider did not say it)."""

    token_url: str
    client_id: str
    refresh_token: str = field(repr=False)
    expires_s: float = 0.0
    shows_id: bool = False  # the broker takes the id token, and not the access token


@dataclass(frozen=True, slots=True)
class Profile:
    """A broker, and how to sign in there: with a token, or with a user and a password. They are sent to its address only."""

    address: str
    token: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    renewal: Renewal | None = None

    @property
    def is_signed_in(self) -> bool:
        """Whether there is anything to sign in with."""
        return bool(self.token or self.password)


@dataclass(slots=True)
class Profiles:
    """All profiles of a person."""

    in_use: str = ""  # the name of one of them; empty for none
    by_name: dict[str, Profile] = field(default_factory=dict)

    def get(self, name: str) -> Profile:
        """Return a profile.

        Raises:
            Failure: NOT_FOUND; the nearest name is offered.
        """
        if name in self.by_name:
            return self.by_name[name]
        near = nearest(name, self.by_name)
        mend = f"--profile {shlex.quote(near)}" if near else LIST
        raise Failure(Exit.NOT_FOUND, f"There is no profile '{name}'.", mend=mend, code="NOT_FOUND")


def path() -> Path:
    """Return where the profiles are."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "osmia" / "profiles.json"


def load() -> Profiles:
    """Read the profiles; none if there is no file.

    Raises:
        Failure: USAGE; the file cannot be read.
    """
    place = path()
    try:
        found = json.loads(place.read_bytes())
        by_name = {str(name): _profile(**one) for name, one in found["profiles"].items()}
        return Profiles(str(found["inUse"]), by_name)
    except FileNotFoundError:
        return Profiles()
    except OSError as error:
        raise usage(f"Expected to read '{place}', but found: {in_words(error)}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        mend = f"rm {shlex.quote(str(place))}   (the profiles in it are lost)"
        raise usage(f"Expected profiles in '{place}', but found another text.", mend) from error


def _profile(renewal: dict[str, Any] | None = None, **fields: Any) -> Profile:
    return Profile(**fields, renewal=Renewal(**renewal) if renewal else None)


@contextmanager
def changing() -> Iterator[Profiles]:
    """Read the profiles, let the block change them, and write them. Two commands that change them at a time wait for each other.

    Raises:
        Failure: USAGE; they cannot be read or written. Also whatever the block raises: nothing is written then.
    """
    from osmia_broker.base import private_files

    place = path()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with private_files.changing(place):
            profiles = load()
            yield profiles
            private_files.replace(place, _content(profiles))
    except OSError as error:
        raise usage(f"Expected to write '{place}', but found: {in_words(error)}.") from error


def _content(profiles: Profiles) -> bytes:
    known = {
        name: {key: value for key, value in asdict(one).items() if value} for name, one in profiles.by_name.items()
    }
    return json.dumps({"inUse": profiles.in_use, "profiles": known}, indent=2).encode() + b"\n"


def with_profile(options: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the options of a command with the address of the profile that holds for it, and with its name as *signed_in_by*.

    A broker that is named by its address is signed in at as in the profile with that address, unless the environment has a sign-in.

    Raises:
        Failure: NOT_FOUND, there is no profile of the name that was given; USAGE, the file cannot be read.
    """
    given = dict(options)
    named = given.get("address") or ""
    name = "" if named else given.get("profile") or environment.get(PROFILE, "")
    if not named and not name:
        named = next(filter(None, map(environment.get, ADDRESSES)), "")
    if named:
        if not any(environment.get(one) for one in SIGN_INS):
            given["signed_in_by"] = _name_of(named)
        return given
    name = name or load().in_use
    if name:
        profile = load().get(name)
        given["address"], given["addressed_by"], given["signed_in_by"] = profile.address, name, name
    return given


def _name_of(address: str) -> str:
    """Return the name of the profile with this address, the one in use before others; empty if there is none."""
    try:
        profiles = load()
    except Failure:  # nobody has asked for a profile
        return ""
    names = [name for name, one in profiles.by_name.items() if one.address == address]
    return profiles.in_use if profiles.in_use in names else next(iter(names), "")


def for_sign_in(name: str | None, address: str | None) -> tuple[str, Profile]:
    """Return the profile for a sign-in at a broker, and its name: that of the address, if there is none yet.

    Raises:
        Failure: NOT_FOUND, there is no profile of this name; USAGE, the file cannot be read.
    """
    profiles = load()
    place = address or next(filter(None, map(os.environ.get, ADDRESSES)), "")
    name = name or os.environ.get(PROFILE, "")
    if name and (name in profiles.by_name or not place):
        found = profiles.get(name)
        return name, found if not place or place == found.address else Profile(place)
    if not name and not place and profiles.in_use:
        return profiles.in_use, profiles.get(profiles.in_use)
    place = place or DEFAULT_ADDRESS
    name = name or _name_of(place) or place
    return name, profiles.by_name.get(name) or Profile(place)


def keep(name: str, profile: Profile) -> bool:
    """Keep a profile; the first one is in use at once. Return whether this one is in use."""
    with changing() as profiles:
        profiles.by_name[name] = profile
        profiles.in_use = profiles.in_use or name
    return profiles.in_use == name


def renewed(name: str, *, refused: str = "") -> Profile:
    """Return a profile with a token that has not expired: the provider is asked for a new one if need be. *refused* is one that is good no more.

    Raises:
        Failure: NOT_ALLOWED, the provider gives none; UNREACHABLE, it does not answer.
    """
    profile = load().get(name)
    if not _needs_renewal(profile, refused):
        return profile
    with changing() as profiles:
        # A refresh token is good once: a command that waited here finds the token of the other.
        profile = profiles.get(name)
        if _needs_renewal(profile, refused):
            profile = profiles.by_name[name] = _renewed(profile)
    return profile


class ProfileToken:
    """The token of a profile, for as long as a command runs. A token that has been given is renewed when it is asked for again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._given = ""

    def __call__(self) -> tuple[str, float]:
        """Return a token that has not expired, and for how many seconds it is good.

        Raises:
            NotAllowed: the provider gives none, or the profile has none any more.
            Unavailable: the provider does not answer.
        """
        from grpc import StatusCode

        from osmia import errors

        try:
            profile = renewed(self._name, refused=self._given)
        except Failure as failure:
            if failure.exit is Exit.UNREACHABLE:
                raise errors.Unavailable(StatusCode.UNAVAILABLE, str(failure)) from failure
            raise errors.NotAllowed(StatusCode.UNAUTHENTICATED, str(failure)) from failure
        if profile.renewal is None or not profile.token:
            raise errors.NotAllowed(StatusCode.UNAUTHENTICATED, f"The profile '{self._name}' is signed out")
        self._given = profile.token
        expires_s = profile.renewal.expires_s
        return profile.token, expires_s - time.time() if expires_s else TOKEN_LIFE_S


def _needs_renewal(profile: Profile, refused: str) -> bool:
    renewal = profile.renewal
    if renewal is None:
        return False
    if refused and profile.token == refused:
        return True
    from osmia.access import RENEW_EARLY_S

    return bool(renewal.expires_s) and time.time() >= renewal.expires_s - RENEW_EARLY_S


def _renewed(profile: Profile) -> Profile:
    from osmia_broker.cli import provider_sign_in

    renewal = profile.renewal
    assert renewal is not None, "only what can be renewed expires"
    granted = provider_sign_in.renew(renewal.token_url, renewal.client_id, renewal.refresh_token)
    token = (renewal.shows_id and granted.id_token) or granted.access_token
    return replace(
        profile, token=token, renewal=replace(renewal, refresh_token=granted.refresh_token, expires_s=granted.expires_s)
    )
