"""The calls of the broker, the same behind every door: documents, checks, waiting callers, handing out of jobs.

A door (gRPC, HTTP) translates its messages into calls of `Calls` and the answers back, and knows nothing else of a partition.
"""

from osmia_broker.calls.caller import Caller
from osmia_broker.calls.calls import Calls

__all__ = ["Caller", "Calls"]
