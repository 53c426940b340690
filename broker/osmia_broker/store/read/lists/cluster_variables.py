"""The list of cluster variables by their names: the search of `entities/cluster_variables.py` with rows."""

from osmia_broker.state.rows.batches import ClusterVariable
from osmia_broker.store.read.entities.cluster_variables import WHOLE_CLUSTER_VARIABLES
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, page_of
from osmia_broker.store.read.sources import Sources, by_itself, no_such, question

BY_NAME = ()  # their key


@question(by_itself)
async def search(sources: Sources, *, name_like: str = "", limit: int = 0, after: str = "") -> Page[ClusterVariable]:
    """List the cluster variables whose names have the form *name_like*; all if it is empty."""
    asked = {"name": {"$like": name_like}} if name_like else {}
    rows = Rows(ClusterVariable)
    return await page_of(sources, WHOLE_CLUSTER_VARIABLES, rows, BY_NAME, asked, limit=limit, after=after)


@question(by_itself)
async def find(sources: Sources, name: str) -> ClusterVariable:
    """Return one cluster variable.

    Raises:
        NotFound: there is none with this name.

    """
    asked = {"name": {"$eq": name}}
    page = await page_of(sources, WHOLE_CLUSTER_VARIABLES, Rows(ClusterVariable), BY_NAME, asked, limit=1, after="")
    if not page.items:
        raise no_such("cluster variable", name)
    return page.items[0]
