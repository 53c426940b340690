"""All lists by their names, and the things of which each can be had by its key."""

from osmia_broker.base.edits import nearest
from osmia_broker.base.errors import InvalidArgument, NotFound
from osmia_broker.calls.checks import int64, quoted
from osmia_broker.calls.lists.listing import Asker, Kept, Question, by_key, by_name, key_of, of_entity
from osmia_broker.calls.lists.of_jobs import JOB_LISTS
from osmia_broker.calls.lists.of_processes import PROCESS_LISTS
from osmia_broker.calls.lists.of_tasks import TASK_ITEMS, TASK_LISTS
from osmia_broker.calls.tasks.readable import ReadableTasks
from osmia_broker.store.read import Reader
from osmia_broker.store.read.entities import (
    BATCH_ITEMS,
    BATCH_OPERATIONS,
    CLUSTER_VARIABLES,
    CORRELATIONS,
    DECISION_DEFINITIONS,
    DECISION_INSTANCES,
    DECISION_REQUIREMENTS,
    ELEMENT_INSTANCES,
    GLOBAL_TASK_LISTENERS,
    INCIDENTS,
    JOBS,
    MESSAGE_SUBSCRIPTIONS,
    PROCESS_DEFINITIONS,
    PROCESS_INSTANCES,
    RESOURCES,
    VARIABLES,
    WAIT_STATES,
)
from osmia_broker.store.read.entities.cluster_variables import WHOLE_CLUSTER_VARIABLES
from osmia_broker.store.read.entities.decision_instances import WHOLE_DECISION_INSTANCES
from osmia_broker.store.read.entities.variables import WHOLE_VARIABLES, variable
from osmia_broker.store.read.search.entity import Item
from osmia_broker.store.read.search.search import PAGE_BYTES_MAX, Found, Search, get
from osmia_broker.store.read.sources import no_such

VARIABLE, EVALUATION = "variable", "decision instance"


async def _variable(asker: Asker, key: str) -> Item:
    return await variable(asker.reader, key_of(VARIABLE, key))


async def _evaluation(asker: Asker, key: str) -> Item:
    """Return an evaluated decision by the key of the evaluation and its place there, from 1: `2251799813685260-1`."""
    evaluation, _, place = key.partition("-")
    try:
        found = (key_of(EVALUATION, evaluation), key_of(EVALUATION, place) - 1)
    except InvalidArgument:
        raise no_such(EVALUATION, quoted(key)) from None
    try:
        return await get(asker.reader, WHOLE_DECISION_INSTANCES, found, EVALUATION)
    except NotFound:
        raise no_such(EVALUATION, quoted(key)) from None  # with the place


#: By name.
LISTS = {
    **TASK_LISTS,
    **PROCESS_LISTS,
    **JOB_LISTS,
    "batch-operations": of_entity(BATCH_OPERATIONS),
    "batch-operation-items": of_entity(BATCH_ITEMS),
    "cluster-variables": of_entity(CLUSTER_VARIABLES, whole=WHOLE_CLUSTER_VARIABLES),
    "correlated-message-subscriptions": of_entity(CORRELATIONS),
    "decision-definitions": of_entity(DECISION_DEFINITIONS),
    "decision-instances": of_entity(DECISION_INSTANCES),
    "decision-requirements": of_entity(DECISION_REQUIREMENTS),
    "element-instances": of_entity(ELEMENT_INSTANCES),
    "element-instances/wait-states": of_entity(WAIT_STATES),
    "global-task-listeners": of_entity(GLOBAL_TASK_LISTENERS),
    "incidents": of_entity(INCIDENTS),
    "jobs": of_entity(JOBS),
    "message-subscriptions": of_entity(MESSAGE_SUBSCRIPTIONS),
    "process-definitions": of_entity(PROCESS_DEFINITIONS),
    "process-instances": of_entity(PROCESS_INSTANCES),
    "resources": of_entity(RESOURCES),
    "variables": of_entity(VARIABLES, whole=WHOLE_VARIABLES),
}
#: All others are about these, such as `jobs/statistics/by-types`.
NAMES = sorted(name for name in LISTS if "/" not in name)

#: The lists of which each item can be had by its key.
ITEMS = {
    **TASK_ITEMS,
    "batch-operations": by_key("batch operation", BATCH_OPERATIONS),
    "cluster-variables": by_name("cluster variable", WHOLE_CLUSTER_VARIABLES),
    "decision-definitions": by_key("decision definition", DECISION_DEFINITIONS),
    "decision-instances": Kept(EVALUATION, WHOLE_DECISION_INSTANCES, _evaluation),
    "decision-requirements": by_key("decision requirements", DECISION_REQUIREMENTS),
    "element-instances": by_key("element instance", ELEMENT_INSTANCES),
    "global-task-listeners": by_name("global task listener", GLOBAL_TASK_LISTENERS),
    "incidents": by_key("incident", INCIDENTS),
    "process-definitions": by_key("process definition", PROCESS_DEFINITIONS),
    "process-instances": by_key("process instance", PROCESS_INSTANCES),
    "resources": by_key("resource", RESOURCES),
    "variables": Kept(VARIABLE, WHOLE_VARIABLES, _variable),
}


class Lists:
    """Answers questions to lists, for somebody who may read the user tasks *readable*."""

    def __init__(self, reader: Reader, readable: ReadableTasks) -> None:
        self._asker = Asker(reader, readable)

    async def search(
        self,
        name: str,
        asked: Search,
        *,
        of: int | None = None,
        is_whole: bool = False,
        bytes_max: int = PAGE_BYTES_MAX,
    ) -> Found:
        """Find a page of the list *name*. *of* is the key of the thing that the list belongs to; values are cut unless *is_whole*.

        Raises:
            InvalidArgument: there is no such list, or the filter, the order or the page is wrong.
            NotFound: the thing that the list belongs to is not there.
            Forbidden: the caller may not read it.

        """
        listing = LISTS.get(name)
        if listing is None:
            near = nearest(name, LISTS)
            meant = f"did you mean '{near}'?" if near else f"the lists are {', '.join(NAMES)}, and lists about these"
            raise InvalidArgument(f"Expected the name of a list, but found '{quoted(name)}'; {meant}")
        if of is not None and not listing.owner:
            raise InvalidArgument(f"Expected no key, because '{name}' belongs to nothing, but found {of}")
        if of is None and listing.owner:
            raise InvalidArgument(f"Expected the key of the {listing.owner} that '{name}' belongs to, but found none")
        return await listing.find(self._asker, Question(asked, int64("of", of or 0), is_whole, bytes_max))

    async def get(self, name: str, key: str) -> Item:
        """Return one item of the list *name* by its key.

        Raises:
            InvalidArgument: there is no such list, its items have no keys, or *key* is none.
            NotFound: there is no item with this key.
            Forbidden: the caller may not read it.

        """
        kept = ITEMS.get(name)
        if kept is None:
            raise InvalidArgument(
                f"Expected the name of a list whose items have keys, but found '{quoted(name)}'; such are {', '.join(sorted(ITEMS))}"
            )
        return await kept.get(self._asker, key)
