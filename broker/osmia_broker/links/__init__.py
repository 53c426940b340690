"""What lies between the processes of a cluster: one connection for each pair, on which calls travel as the bytes that gRPC delivered."""

from osmia_broker.links.forwarding import HERE, forwarded, forwarding
from osmia_broker.links.greeting import Identity
from osmia_broker.links.limits import Limits, limits_for
from osmia_broker.links.links import Links
from osmia_broker.links.places import Place, TcpPlace, UnixPlace

__all__ = [
    "HERE",
    "Identity",
    "Limits",
    "Links",
    "Place",
    "TcpPlace",
    "UnixPlace",
    "forwarded",
    "forwarding",
    "limits_for",
]
