"""The list of the variables of a process instance, by scope and name, ascending. Scopes that have ended count too.

It is the search of `entities/variables.py` with rows.
"""

from osmia_broker.state.rows import Variable
from osmia_broker.store.read.entities.variables import VARIABLES
from osmia_broker.store.read.lists.pages import Page
from osmia_broker.store.read.lists.stored import Rows, page_of
from osmia_broker.store.read.sources import Sources, of_key, question

BY_SCOPE = (("scopeKey", False),)


@question(of_key("process_instance_key"))
async def search(
    sources: Sources, process_instance_key: int, *, scope_key: int = 0, limit: int = 0, after: str = ""
) -> Page[Variable]:
    """List the variables of every scope of a process instance, or of one."""
    asked = {"processInstanceKey": str(process_instance_key), "scopeKey": scope_key}
    return await page_of(sources, VARIABLES, Rows(Variable), BY_SCOPE, asked, limit=limit, after=after)
