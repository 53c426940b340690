"""The lists of a broker, by the names under which every door serves them.

    found = await Lists(reader, readable).search("audit-logs", Search(filter={"operationType": "CANCEL"}))

The name of a list is the path of its operation in the REST API, without the keys in it and without `/search` at its end. What a list shows,
which filters it takes and who may see what stands here, so that REST, gRPC, the SDK and the command line cannot differ.
"""

from osmia_broker.calls.lists.listing import Asker, Listing
from osmia_broker.calls.lists.lists import LISTS, Lists

__all__ = ["LISTS", "Asker", "Listing", "Lists"]
