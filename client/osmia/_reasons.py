"""Why no broker answers: each reason with the words by which gRPC reports it, and a sentence for people. gRPC's own are for its developers.

The texts to be found are those of gRPC's C core.
"""

import re
from typing import NamedTuple


class Reason(NamedTuple):
    """Why no broker answers at an address. *found* matches gRPC's words; *sentence* may hold `{address}`."""

    name: str
    found: re.Pattern[str]
    sentence: str

    def sentence_about(self, address: str) -> str:
        """Return the sentence about *address*."""
        return self.sentence.format(address=address)


NOBODY, STRANGER, PLAIN = "nobody", "stranger", "plain text"  #: nobody listens there; another program does; no TLS
_CLOSED = r"failed to connect to all addresses.*(Socket closed|Connection reset)"


def _reason(name: str, found: str, sentence: str, flags: int = 0) -> Reason:
    return Reason(name, re.compile(found, flags), sentence)


#: The first that is found counts.
REASONS = (
    _reason(
        "authority",
        "CERTIFICATE_VERIFY_FAILED",
        "Expected {address} to show a certificate of a known authority, but found another; ca_cert or OSMIA_CA_CERT names the authority",
    ),
    _reason(
        "host",
        "Hostname Verification",
        "Expected {address} to show a certificate for this host, but found one for another",
    ),
    _reason(
        PLAIN,
        "WRONG_VERSION_NUMBER",
        "Expected {address} to speak TLS, but found plain text; use http:// or no scheme",
    ),
    _reason(
        "no gRPC",
        "selected ALPN",
        "Expected {address} to speak gRPC, but found another program; the gRPC port is 26500 unless it was set",
    ),
    _reason(
        STRANGER,
        "parsing HTTP/2|http2 header with status",
        "At {address} answers a program that does not speak gRPC: name the gRPC port of the broker, which is 26500 unless it was set",
        re.IGNORECASE,
    ),
    _reason(
        "closed over TLS",
        _CLOSED,
        "Expected {address} to answer, but it closed the connection; "
        "it may ask for a certificate of the client: OSMIA_CLIENT_CERT and OSMIA_CLIENT_KEY",
        re.DOTALL,
    ),
    _reason(
        "closed in plain text",
        _CLOSED,
        "Expected {address} to answer, but it closed the connection; it may speak TLS: use https://",
        re.DOTALL,
    ),
    _reason(
        NOBODY,
        "failed to connect|connection refused|resolving|name not found",
        "No broker answers at {address}: start one with `osmia broker`, "
        'or name the right one by Client("HOST:PORT") or OSMIA_ADDRESS',
        re.IGNORECASE,
    ),
)


def reason_of(details: str, *, speaks_tls: bool = False) -> Reason | None:
    """Return the reason that gRPC's *details* report; None for any other failure."""
    other = "closed in plain text" if speaks_tls else "closed over TLS"
    return next((one for one in REASONS if one.name != other and one.found.search(details)), None)
