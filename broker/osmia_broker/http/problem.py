"""Refusals as they travel over HTTP: problem details (RFC 9457), with the titles that clients of the contract read.

{"type": "about:blank", "title": "NOT_FOUND", "status": 404, "detail": "Command 'COMPLETE' rejected …", "instance": "/v2/user-tasks/99/completion"}
"""

import msgspec

from osmia_broker.base.errors import OsmiaError, Rejection, framed

MEDIA_TYPE = "application/problem+json"
DETAIL_CHARACTERS_MAX = 2_000  # no person reads more

#: The HTTP status of each status of `errors`, and the title; the code of a rejection is its title.
STATUSES = {
    "NOT_FOUND": (404, "NOT_FOUND"),
    "ALREADY_EXISTS": (409, "ALREADY_EXISTS"),
    "INVALID_ARGUMENT": (400, "INVALID_ARGUMENT"),
    "FAILED_PRECONDITION": (409, "INVALID_STATE"),
    "UNAUTHENTICATED": (401, "UNAUTHENTICATED"),
    "PERMISSION_DENIED": (403, "FORBIDDEN"),
    "RESOURCE_EXHAUSTED": (503, "RESOURCE_EXHAUSTED"),
    "UNAVAILABLE": (503, "UNAVAILABLE"),
    "DEADLINE_EXCEEDED": (504, "DEADLINE_EXCEEDED"),
    "UNIMPLEMENTED": (501, "NOT_IMPLEMENTED"),
    "INTERNAL": (500, "INTERNAL"),
}


class HttpRefusal(Exception):
    """A request is refused before it becomes a call: its form is wrong. *allow* names the methods that the path has."""

    def __init__(self, status: int, title: str, detail: str, *, allow: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.allow = allow


class Problem(msgspec.Struct):
    """The body of a refusal."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


def bad_request(detail: str) -> HttpRefusal:
    """Make the refusal of a request that cannot be read."""
    return HttpRefusal(400, "Bad Request", detail)


def invalid(*details: str) -> HttpRefusal:
    """Make the refusal of a request whose members break rules. All reasons stand in one text, as the reference has it."""
    return HttpRefusal(400, "INVALID_ARGUMENT", " ".join(details))


def status_and_title(error: OsmiaError) -> tuple[int, str]:
    """Return the HTTP status of a refusal, and its title."""
    status, title = STATUSES[error.status]
    return status, error.code if isinstance(error, Rejection) else title


def problem_of(error: Exception, path: str) -> Problem:
    """Describe *error*. An unexpected one is described by its kind alone."""
    if isinstance(error, HttpRefusal):
        return _problem(error.status, error.title, str(error), path)
    if isinstance(error, OsmiaError):
        return _problem(*status_and_title(error), framed(error), path)
    text = f"Expected the request to succeed, but found a defect: {type(error).__name__}"
    return _problem(500, "INTERNAL", text, path)


def _problem(status: int, title: str, detail: str, path: str) -> Problem:
    return Problem("about:blank", title, status, detail[:DETAIL_CHARACTERS_MAX], path)
