"""The messages of Osmia's contracts, in a descriptor pool of their own.

`gateway` holds the messages of gateway.proto, `queries` those of osmia.proto; `osmia_proto.methods` has the calls.
The modules are generated: change the .proto file and run `make proto`.
"""

from osmia_proto import gateway_pb2 as gateway
from osmia_proto import osmia_pb2 as queries
from osmia_proto.pool import POOL

__all__ = ["POOL", "gateway", "queries"]
