"""Hash and check passwords with scrypt (RFC 7914), in the standard library.

A stored password is `scrypt$N$r$p$salt$hash`, the last two in base64. Its cost stands in it, so that it can grow with the machines.
"""

import binascii
import hashlib
import hmac
import unicodedata
from base64 import b64decode, b64encode
from dataclasses import dataclass
from secrets import token_bytes

CHARACTERS_MIN = 8  # NIST SP 800-63B
CHARACTERS_MAX = 1_024
MEMORY_BYTES_MAX = 256 * 1024**2  # of one check; a stored cost beyond it is a mistake
SALT_BYTES = 16
HASH_BYTES = 32


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of one hash: *n* is a power of two; 128 · n · r bytes of memory."""

    n: int
    r: int
    p: int


# 16 MiB: one of the choices of OWASP that are equally strong. The broker promises a small memory.
COST = Cost(2**14, 8, 5)


def hashed(password: str, cost: Cost = COST) -> str:
    """Return *password* as it is stored, with a salt of its own."""
    salt = token_bytes(SALT_BYTES)
    parts = (b64encode(part).decode() for part in (salt, _hash(password, salt, cost)))
    return "$".join(("scrypt", str(cost.n), str(cost.r), str(cost.p), *parts))


def matches(password: str, stored: str) -> bool:
    """Return whether *stored* was made of *password*. The time does not depend on how much of it is right.

    Raises:
        ValueError: *stored* is no stored password.
    """
    cost, salt, expected = _read(stored)
    return hmac.compare_digest(_hash(password, salt, cost), expected)


def expect_stored(stored: str) -> None:
    """Check the form of a stored password.

    Raises:
        ValueError: it has another.
    """
    _read(stored)


def expect_strong(name: str, password: str) -> None:
    """Refuse a password that is too easily guessed.

    Raises:
        ValueError: it is.
    """
    if not CHARACTERS_MIN <= len(password) <= CHARACTERS_MAX:
        raise ValueError(
            f"Expected a password of {CHARACTERS_MIN} to {CHARACTERS_MAX} characters, but found {len(password)}"
        )
    if password.strip().casefold() == name.casefold() or len(set(password)) < 4:
        raise ValueError("Expected a password that is not the user's name and has 4 different characters or more")


#: Checked instead of the password of a user who does not exist, so that the time tells nobody who exists.
DECOY = (
    f"scrypt${COST.n}${COST.r}${COST.p}${b64encode(bytes(SALT_BYTES)).decode()}${b64encode(bytes(HASH_BYTES)).decode()}"
)


def _hash(password: str, salt: bytes, cost: Cost) -> bytes:
    text = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * MEMORY_BYTES_MAX, dklen=HASH_BYTES)


def _read(stored: str) -> tuple[Cost, bytes, bytes]:
    refusal = ValueError(
        "Expected a password as 'osmia user' stores it, 'scrypt$N$r$p$salt$hash', but found another form"
    )
    parts = stored.split("$")
    if len(parts) != 6 or parts[0] != "scrypt":
        raise refusal
    try:
        n, r, p = (int(part) for part in parts[1:4])
        salt, expected = (b64decode(part, validate=True) for part in parts[4:])
    except (ValueError, binascii.Error):
        raise refusal from None
    is_power = n > 1 and n & (n - 1) == 0
    if not (
        is_power and 1 <= r <= 64 and 1 <= p <= 64 and 128 * n * r <= MEMORY_BYTES_MAX and len(expected) == HASH_BYTES
    ):
        raise refusal
    return Cost(n, r, p), salt, expected
