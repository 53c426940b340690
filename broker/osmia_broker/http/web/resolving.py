"""Resolves incidents for people: gives a job a try if it has none left, and says what happened when a step fails again."""

from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.http.web.numbers import number_in
from osmia_broker.http.web.visit import Visit
from osmia_broker.store.read.entities import INCIDENTS, JOBS
from osmia_broker.store.read.search.entity import Item

RETRIES_MAX = 2**31 - 1
MESSAGE_CHARACTERS_SHOWN = 600  # in an alert; the incident's page has the rest


def retries_in(text: str) -> int:
    """Read the retries that were typed.

    Raises:
        InvalidArgument: they are no number from 1.

    """
    number = number_in(text)
    if number is None or not 1 <= number <= RETRIES_MAX:
        raise InvalidArgument(f"Expected retries to be a number from 1 to {RETRIES_MAX}, but found '{text[:40]}'")
    return number


async def set_retries(visit: Visit, job_key: int, text: str) -> int:
    """Give a job the retries that were typed, and return them."""
    retries = retries_in(text)
    await visit.calls.update_retries(job_key, retries)
    return retries


async def resolve(visit: Visit, incident_keys: list[int], *, job_key: int = 0, retries: int = 0) -> Item | None:
    """Resolve incidents. Return an incident that the step has raised again, or None.

    A job among their causes gets *retries*, or (0) one try if it has none left. *job_key* names a job that has no incident.

    Raises:
        NotFound: an incident is not open any more.

    """
    found = (
        await _open_incidents(visit, {"incidentKey": {"$in": [str(key) for key in incident_keys]}})
        if incident_keys
        else []
    )
    missing = set(incident_keys) - {int(one["incidentKey"]) for one in found}
    if missing:
        raise NotFound(f"Incident {min(missing)} is not open any more. Somebody else may have resolved it")
    jobs = {int(one["jobKey"]) for one in found if one["jobKey"]} | ({job_key} if job_key else set())
    for key in sorted(jobs):
        if retries or await _retries_left(visit, key) < 1:
            await visit.calls.update_retries(key, retries or 1)
    for key in incident_keys:
        await visit.calls.resolve_incident(key)
    places = sorted({one["elementInstanceKey"] for one in found})
    return await newest_at(visit, places, after=max(incident_keys, default=0))


async def newest_at(visit: Visit, element_instance_keys: list[str], *, after: int) -> Item | None:
    """Return the newest open incident at these element instances that was raised after the one with the key *after*."""
    if not element_instance_keys:
        return None
    found = await _open_incidents(visit, {"elementInstanceKey": {"$in": element_instance_keys}})
    return next((one for one in found if int(one["incidentKey"]) > after), None)


def failed_again(incident: Item) -> str:
    """Return the alert for a step that has failed again."""
    message = str(incident["errorMessage"])
    shown = message[:MESSAGE_CHARACTERS_SHOWN] + ("…" if len(message) > MESSAGE_CHARACTERS_SHOWN else "")
    return f"It failed again: {shown.rstrip('.')}. Mend the cause, then resolve the new incident {incident['incidentKey']}."


async def _open_incidents(visit: Visit, wanted: Item) -> list[Item]:
    found = await visit.search(INCIDENTS, {**wanted, "state": "ACTIVE"}, sort=("-incidentKey",), limit=1_000)
    return found.items


async def _retries_left(visit: Visit, job_key: int) -> int:
    found = await visit.search(JOBS, {"jobKey": str(job_key)}, limit=1)
    return int(found.items[0]["retries"]) if found.items else 1
