"""HTTP/2 for servers, on asyncio alone (RFC 9113 and 7541). It knows neither gRPC nor Osmia.

`Connection` is the protocol of one connection, `Stream` one request and its answer, `Site` what all connections of a server share.
"""

from osmia_broker.h2.connection import Connection
from osmia_broker.h2.site import Limits, Site
from osmia_broker.h2.stream import Stream

__all__ = ["Connection", "Limits", "Site", "Stream"]
