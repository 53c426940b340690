"""Say why a connection over TLS failed: gRPC's own words are for its developers."""

import re

_REASONS = (
    (
        re.compile("CERTIFICATE_VERIFY_FAILED"),
        "Expected {address} to show a certificate of a known authority, but found another; ca_cert or OSMIA_CA_CERT names the authority",
    ),
    (
        re.compile("Hostname Verification"),
        "Expected {address} to show a certificate for this host, but found one for another",
    ),
    (
        re.compile("WRONG_VERSION_NUMBER"),
        "Expected {address} to speak TLS, but found plain text; use http:// or no scheme",
    ),
    (
        re.compile("selected ALPN"),
        "Expected {address} to speak gRPC, but found another program; the gRPC port is 26500 unless it was set",
    ),
)
_CLOSED = re.compile("failed to connect to all addresses.*(Socket closed|Connection reset)", re.DOTALL)


def explained(details: str, address: str, *, speaks_tls: bool) -> str:
    """Return *details* of a failed call, after a sentence about TLS where that is the reason."""
    for found, sentence in _REASONS:
        if found.search(details):
            return f"{sentence.format(address=address)} ({details})"
    if _CLOSED.search(details):
        perhaps = (
            "it may ask for a certificate of the client: OSMIA_CLIENT_CERT and OSMIA_CLIENT_KEY"
            if speaks_tls
            else "it may speak TLS: use https://"
        )
        return f"Expected {address} to answer, but it closed the connection; {perhaps} ({details})"
    return details
