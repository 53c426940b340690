"""The files that the page loads: our own scripts and styles, and the bundles of others. They are served from memory, compressed.

All files share one address, `/assets/<digest of everything>/`, so that a browser may keep them for ever and a script may import the one
beside it by its name.
"""

import gzip
import hashlib
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MEDIA_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
COMPRESSED = (".js", ".css", ".svg", ".txt")

HERE = Path(__file__).parent
FOLDERS = ("static", "bundles")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, ready to be sent."""

    media_type: str
    content: bytes
    compressed: bytes | None  # None if it does not get smaller


class Assets:
    """All files of *folders* below *root*."""

    def __init__(self, root: Path = HERE, folders: tuple[str, ...] = FOLDERS) -> None:
        self._paths = {
            str(path.relative_to(root)): path
            for folder in folders
            for path in sorted((root / folder).rglob("*"))
            if path.suffix in MEDIA_TYPES and path.is_file()
        }
        self._read: dict[str, Asset] = {}
        if not any(name.startswith("bundles/") for name in self._paths):
            log.warning(
                "the bundles of the page are missing",
                extra={"hint": "install the package again, or run page/bundles.py"},
            )

    @cached_property
    def digest(self) -> str:
        """A digest of all files."""
        digest = hashlib.sha256()
        for name, path in self._paths.items():
            digest.update(name.encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def address(self, name: str) -> str:
        """Return the address of a file, such as `static/page.css`."""
        return f"/assets/{self.digest}/{name}"

    def find(self, name: str) -> Asset | None:
        """Return a file by its name."""
        if name not in self._paths:
            return None
        if name not in self._read:
            self._read[name] = _asset(self._paths[name])
        return self._read[name]


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    compressed = gzip.compress(content, 6, mtime=0) if path.suffix in COMPRESSED else content
    return Asset(MEDIA_TYPES[path.suffix], content, compressed if len(compressed) < len(content) else None)
