"""Tests of processes in Python: a broker in the test's own process, a clock to move, expectations, workers under test, coverage.

`osmia.testing` is the public name of what is here; `osmia_broker.pytest_plugin` gives it to pytest as fixtures.
"""

from osmia_broker.testing.broker import Broker
from osmia_broker.testing.cases import Case, read_cases
from osmia_broker.testing.coverage import Coverage
from osmia_broker.testing.instance import Instance
from osmia_broker.testing.sync import SyncBroker, SyncInstance

__all__ = ["Broker", "Case", "Coverage", "Instance", "SyncBroker", "SyncInstance", "read_cases"]
