"""A caller who has proved who they are."""

from dataclasses import dataclass

NAME_CHARACTERS_MAX = 256  # as of an assignee
GROUPS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class User:
    """A person or a program that has signed in."""

    name: str
    groups: tuple[str, ...] = ()
    display_name: str = ""
    email: str = ""


def is_name(text: object) -> bool:
    """Return whether *text* can be the name of a user or a group: not blank, printable, at most `NAME_CHARACTERS_MAX`."""
    return isinstance(text, str) and bool(text.strip()) and text.isprintable() and len(text) <= NAME_CHARACTERS_MAX
