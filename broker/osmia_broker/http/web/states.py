"""The state of a process instance as people see it: a word, and the style class that gives it a colour and a shape."""

from typing import Any

WORDS = {
    "ACTIVE": ("Active", "active"),
    "SUSPENDED": ("Suspended", "waiting"),
    "COMPLETED": ("Completed", "completed"),
    "TERMINATED": ("Canceled", "canceled"),
    "INCIDENT": ("Incident", "incident"),
}


def state_of(instance: dict[str, Any]) -> tuple[str, str]:
    """Return the word and the style of an instance, as the search for process instances has it."""
    name = "INCIDENT" if instance["hasIncident"] and instance["state"] == "ACTIVE" else instance["state"]
    return WORDS[name]
