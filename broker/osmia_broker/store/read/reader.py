"""The read side of a partition: all lists as the methods of one class.

Every answer includes each command that was answered before the question. A page, and all rows that belong to it, were committed at one
moment. No list of open rows reads the history: the heads of its entity (`search/heads.py`) lead to an index of `schema.py`, so that the
database does not walk down the keys (tests/store/test_read_plans.py checks the plans). There are two exceptions, which have no index:
activatable jobs without a job type, and subscriptions to conditions without an instance.

A corrupt row is left out of every list, with a warning in the log.
"""

from osmia_broker.store.read.counts import count
from osmia_broker.store.read.instances.business_ids import has_misplaced_ids, misplaced_holder
from osmia_broker.store.read.instances.ended_instances import ended_instances
from osmia_broker.store.read.lists.batches import find as find_batch_operation
from osmia_broker.store.read.lists.batches import search as search_batch_operations
from osmia_broker.store.read.lists.batches import search_items as search_batch_items
from osmia_broker.store.read.lists.cluster_variables import find as find_cluster_variable
from osmia_broker.store.read.lists.cluster_variables import search as search_cluster_variables
from osmia_broker.store.read.lists.decision_evaluations import search as search_decision_evaluations
from osmia_broker.store.read.lists.events import count_events, oldest_events, read_events
from osmia_broker.store.read.lists.incidents import search as search_incidents
from osmia_broker.store.read.lists.jobs import search as search_jobs
from osmia_broker.store.read.lists.messages import search as search_messages
from osmia_broker.store.read.lists.process_definitions import find as find_process_definition
from osmia_broker.store.read.lists.process_definitions import search as search_process_definitions
from osmia_broker.store.read.lists.process_instances import find as find_process_instance
from osmia_broker.store.read.lists.process_instances import search as search_process_instances
from osmia_broker.store.read.lists.subscriptions import search as search_subscriptions
from osmia_broker.store.read.lists.timers import search as search_timers
from osmia_broker.store.read.lists.variables import search as search_variables
from osmia_broker.store.read.sources import Sources
from osmia_broker.store.read.standing import standing as count_standing


class Reader(Sources):
    """Reads the database of a partition. The first question opens it."""

    process_instances = search_process_instances
    process_instance = find_process_instance
    jobs = search_jobs
    incidents = search_incidents
    process_definitions = search_process_definitions
    process_definition = find_process_definition
    variables = search_variables
    timers = search_timers
    subscriptions = search_subscriptions
    messages = search_messages
    decision_evaluations = search_decision_evaluations
    batch_operations = search_batch_operations
    batch_operation = find_batch_operation
    batch_items = search_batch_items
    cluster_variables = search_cluster_variables
    cluster_variable = find_cluster_variable
    events = read_events
    oldest_events = oldest_events
    count_events = count_events
    ended_instances = ended_instances
    has_misplaced_ids = has_misplaced_ids
    misplaced_holder = misplaced_holder
    counts = count
    standing = count_standing
