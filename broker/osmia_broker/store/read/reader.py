"""The read side of a partition: every list in one place.

All methods see each command that was answered before the question. Lists come in pages; a page and all that belongs to it were
committed at one moment. No list walks through the history for a page of what is open: each statement leads the database to an index
of `schema.py`, and tests/store/test_read_plans.py reads its plans.
"""

from osmia_broker.store.read.counts import count
from osmia_broker.store.read.incidents import search as search_incidents
from osmia_broker.store.read.jobs import search as search_jobs
from osmia_broker.store.read.process_definitions import search as search_process_definitions
from osmia_broker.store.read.process_instances import find as find_process_instance
from osmia_broker.store.read.process_instances import search as search_process_instances
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.variables import search as search_variables


class Reader(Sources):
    """Reads the database *path* of a partition. The first question opens it."""

    process_instances = search_process_instances
    process_instance = find_process_instance
    jobs = search_jobs
    incidents = search_incidents
    process_definitions = search_process_definitions
    variables = search_variables
    counts = count
