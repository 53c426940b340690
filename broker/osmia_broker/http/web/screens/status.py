"""The state of the broker, on one screen."""

from starlette.responses import Response

from osmia_broker import __version__
from osmia_broker.http.web.screen import screen
from osmia_broker.http.web.visit import Visit


@screen("/status")
async def show_status(visit: Visit) -> Response:
    """Show whether the broker can work, and how much there is."""
    identity, (host, port) = visit.site.services.identity, visit.site.services.grpc_address
    return await visit.page(
        "status.html",
        version=__version__,
        level=identity.gateway_version,
        cluster_id=identity.cluster_id,
        grpc=f"{host}:{port}",
        leaders=visit.calls.leaders(),
        counts=await visit.reader.counts(),
        pages=len(visit.site.live),
    )
