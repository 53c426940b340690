"""The profiles of a person: brokers under names, each with its address and perhaps a token, in one file that only they may read.

The file is `osmia/profiles.json` in the folder of a person's settings (XDG_CONFIG_HOME, else ~/.config). Which broker a command calls is said by,
in this order: --address; --profile or OSMIA_PROFILE; OSMIA_ADDRESS or ZEEBE_ADDRESS; the profile in use; 127.0.0.1:26500.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from osmia_broker.cli.failures import Exit, Failure, usage

PROFILE, ADDRESSES = "OSMIA_PROFILE", ("OSMIA_ADDRESS", "ZEEBE_ADDRESS")
LIST = "osmia profile list"


@dataclass(frozen=True, slots=True)
class Profile:
    """A broker. The token is sent to its address only."""

    address: str
    token: str = ""


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
        near = get_close_matches(name, self.by_name, n=1)
        mend = f"--profile {near[0]}" if near else LIST
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
        by_name = {str(name): Profile(**one) for name, one in found["profiles"].items()}
        return Profiles(str(found["inUse"]), by_name)
    except FileNotFoundError:
        return Profiles()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise usage(f"Expected profiles in '{place}', but it cannot be read: {error}.", "remove the file") from error


def save(profiles: Profiles) -> None:
    """Write the profiles, readable for nobody else.

    Raises:
        Failure: USAGE; they cannot be written.
    """
    from osmia_broker import private_files

    place = path()
    content = {"inUse": profiles.in_use, "profiles": {name: asdict(one) for name, one in profiles.by_name.items()}}
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        private_files.replace(place, json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        raise usage(f"Expected to write '{place}', but found: {error.strerror or error}.") from error


def with_profile(options: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the options of a command with the address and the token of the profile that holds for it.

    Raises:
        Failure: NOT_FOUND, there is no profile of the name that was given; USAGE, the file cannot be read.
    """
    given = dict(options)
    if given.get("address"):
        return given
    name = given.get("profile") or environment.get(PROFILE, "")
    if not name:
        if any(environment.get(one) for one in ADDRESSES):
            return given
        name = load().in_use
    if name:
        profile = load().get(name)
        given["address"] = profile.address
        given["token"] = given.get("token") or profile.token or None
    return given
