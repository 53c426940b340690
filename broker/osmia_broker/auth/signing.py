"""Sign texts that a browser keeps for the broker, so that nobody else can make or change them.

A signed text is `content.signature`, both in base64 for URLs. The key is in the data directory, readable by its owner alone.
"""

import binascii
import hashlib
import hmac
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from secrets import token_bytes

from osmia_broker.base import private_files

KEY_FILE = "osmia.session-key"  # in the data directory
KEY_BYTES = 32


class Signer:
    """Signs with *key*. A text that was signed for one *purpose* is none for another."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, purpose: str, content: bytes) -> str:
        """Return *content* with its signature."""
        return f"{_text(content)}.{_text(self._signature(purpose, content))}"

    def open(self, purpose: str, signed: str) -> bytes | None:
        """Return the content of a signed text; None if the signature is not ours."""
        content, _, signature = signed.partition(".")
        try:
            opened, found = _bytes(content), _bytes(signature)
        except (ValueError, binascii.Error):
            return None
        return opened if hmac.compare_digest(found, self._signature(purpose, opened)) else None

    def _signature(self, purpose: str, content: bytes) -> bytes:
        return hmac.digest(self._key, purpose.encode() + b"\0" + content, hashlib.sha256)


def read_or_make_key(data_dir: Path) -> bytes:
    """Return the key in *data_dir*, made at the first call.

    Raises:
        OSError: it cannot be read or written, or others than its owner may read it.
    """
    file = data_dir / KEY_FILE
    if not file.exists():
        with private_files.changing(file):
            if not file.exists():  # still: the processes of a broker start together, and must sign with the same key
                private_files.replace(file, token_bytes(KEY_BYTES))
    with file.open("rb") as kept:
        mode = stat.S_IMODE(os.fstat(kept.fileno()).st_mode)
        key = kept.read(KEY_BYTES + 1)
    if mode & 0o077:
        raise OSError(f"Expected that only the owner may read '{file}', but found mode {mode:o}; try chmod 600")
    if len(key) != KEY_BYTES:
        raise OSError(f"Expected '{file}' to be a key of {KEY_BYTES} bytes, but found {len(key)}; remove it")
    return key


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Decode base64 for URLs. Only the form that `_text` writes is taken, so a text has one spelling."""
    opened = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if _text(opened) != text:
        raise ValueError(text)
    return opened
