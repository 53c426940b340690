"""The links between the processes of a broker: one connection for each pair, on which both sides call each other with bytes."""

from osmia_broker.links.greeting import PeerIdentity
from osmia_broker.links.limits import Limits, limits_for
from osmia_broker.links.links import Links
from osmia_broker.links.places import Place, TcpPlace, UnixPlace

__all__ = [
    "Limits",
    "Links",
    "PeerIdentity",
    "Place",
    "TcpPlace",
    "UnixPlace",
    "limits_for",
]
