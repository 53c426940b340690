"""Tell the variables that a platform sets for its services from those that people set for Osmia."""

import re

# Kubernetes sets these for each service whose name begins with "osmia"; Docker's links have the same form.
SERVICE_LINK = re.compile(
    r"OSMIA_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
SERVICE_LINK_PORT = re.compile(r"OSMIA_([A-Z0-9_]+_)?PORT")  # with a URL as its value, such as tcp://10.0.0.1:26500
SERVICE_LINK_URL = re.compile(r"(tcp|udp|sctp)://.*", re.IGNORECASE)


def is_service_link(variable: str, value: str) -> bool:
    """Return whether the variable is a link to a service whose name begins with "osmia"."""
    if SERVICE_LINK.fullmatch(variable):
        return True
    return bool(SERVICE_LINK_PORT.fullmatch(variable) and SERVICE_LINK_URL.fullmatch(value))
