"""The refusals of the broker in the words of the page: calls name keys and members of requests, which people do not see."""

import re

_NO_SUCH = re.compile(
    r"Expected to [a-z ]*?(?P<noun>user task|process instance|process definition|decision definition|decision instance|incident|job)"
    r" with key '(?P<key>[^']{1,60})', but no such [a-z ]+ was found"
)
_SUSPENDED = re.compile(r"Expected to .*, but process instance '(?P<key>\d{1,20})' is suspended")
_NO_ELEMENT = re.compile(
    r"Expected to modify instance of process '(?P<process>.+)' but it contains one or more [a-z ]+ with an element that could not be found: '(?P<element>.*)'"
)
_NO_PLACE = re.compile(r"Expected page\.(?:after|before) to be a cursor ")
_NOUNS = {
    "user task": "task",
    "process instance": "instance",
    "process definition": "process",
    "decision definition": "decision",
    "decision instance": "evaluation",
}


def in_words(text: str) -> str:
    """Return a refusal as a sentence for people; one that has no other words is as the broker gave it."""
    if found := _NO_SUCH.fullmatch(text):
        return f"There is no {_NOUNS.get(found['noun'], found['noun'])} with key {found['key']}."
    if found := _SUSPENDED.fullmatch(text):
        return f"Instance {found['key']} is suspended. Resume it first."
    if found := _NO_ELEMENT.fullmatch(text):
        return f"The process '{found['process']}' has no element '{found['element']}'."
    if _NO_PLACE.match(text):
        return "This address names a place in the list that there is not. Open the list again."
    return f"{text.rstrip('.')}."
