"""Take the models out of zip archives that anybody may have made: a bound on what they hold, and no way to unpack that finds faults late."""

import io
import zipfile
import zlib
from pathlib import PurePosixPath

from osmia_broker.base.errors import InvalidArgument

FILES_MAX = 500  # of all archives together
ARCHIVE_BYTES_MAX = 50 * 1024 * 1024  # of all their files
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes before they find a fault
ENDINGS = (".bpmn", ".xml", ".dmn", ".form", "-extensions.json")  # of the names of models

Files = list[tuple[str, bytes]]


def unpacked(given: Files) -> Files:
    """Return the files, and in place of each zip archive the models in it. The bounds hold for all archives together.

    Raises:
        InvalidArgument: an archive cannot be read, is too large, or has no model.

    """
    files: Files = []
    files_left, bytes_left = FILES_MAX, ARCHIVE_BYTES_MAX
    for name, content in given:
        if not name.lower().endswith(".zip"):
            files.append((name, content))
            continue
        models = _unzipped(name, content, files_left, bytes_left)
        files_left -= len(models)
        bytes_left -= sum(len(one) for _, one in models)
        files += models
    return files


def _unzipped(name: str, content: bytes, files_left: int, bytes_left: int) -> Files:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.infolist() if _is_model(one)]
            if not members:
                raise InvalidArgument(f"'{name}': Expected models in the archive, but found none")
            if len(members) > files_left or sum(one.file_size for one in members) > bytes_left:
                raise InvalidArgument(
                    f"'{name}': Expected at most {FILES_MAX} models of {ARCHIVE_BYTES_MAX:,} bytes in all, but found more"
                )
            if any(one.compress_type not in COMPRESSIONS for one in members):
                raise InvalidArgument(f"'{name}': Expected models that are deflated or stored, but found others")
            return [(PurePosixPath(one.filename).name, archive.read(one)) for one in members]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError, OSError):
        raise InvalidArgument(f"'{name}': Expected a zip archive, but found another file, or a damaged one") from None


def _is_model(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    is_hidden = any(part.startswith((".", "__")) for part in path.parts)
    return not member.is_dir() and not is_hidden and path.name.endswith(ENDINGS)
