"""Find and read the files that a deployment is made of, and see when one of them changes."""

import glob
import os
import shlex
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from osmia_broker.base.edits import nearest
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.deploy_faults import refused, undeployable
from osmia_broker.cli.failures import usage

SUFFIXES = (".bpmn", ".dmn", ".form", "-extensions.json")  # of the files that a directory means


# Folders with copies and with files of others. Hidden folders are not searched either.
NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})
WATCH_S = 0.5  # between two looks at the files


def saved(names: list[str], pause: Callable[[], None] = lambda: time.sleep(WATCH_S)) -> Iterator[None]:
    """Yield each time when a file that *names* mean has changed, has come, or has gone."""
    seen = _stamps(names)
    while True:
        pause()
        now = _stamps(names)
        if now != seen:
            seen = now
            yield


def _stamps(names: list[str]) -> dict[Path, tuple[int, int]]:
    stamps = {}
    paths = [path for name in names for path in _matches(Path(name))]
    for path in (*paths, *extensions_beside(paths)):
        with suppress(OSError):  # an editor replaces the file at this moment
            about = path.stat()
            stamps[path] = (about.st_mtime_ns, about.st_size)
    return stamps


def resources_of(names: list[str], command: str, say: Callable[[str], None]) -> list[tuple[str, bytes]]:
    """Return name and content of the files that *names* mean, and of the extension files beside their processes: *say* which.

    A link to a file that is not there is left out, and *say* so, if a directory means it; a file that is named must be there.

    Raises:
        Failure: see `found` and `read`.
    """
    paths = found(names, command)
    gone = [path for path in paths if not path.exists()]
    there = [path for path in paths if path not in gone]
    if not there:
        raise usage(_is_gone(gone[0]), _nearby(gone[0], command))
    for path in gone:
        say(f"Warning: '{path}' is a link to a file that is not there, and is left out")
    extensions = extensions_beside(there)
    for path in extensions:
        say(f"With it: {path}")
    return read([*there, *extensions])


def found(names: list[str], command: str = "osmia deploy") -> list[Path]:
    """Return the files that *names* mean, in order and each once. A directory means its models, also a link to none; a pattern its matches.

    *command* takes the file that was probably meant.

    Raises:
        Failure: USAGE; a name means no file.
    """
    paths: dict[Path, None] = {}
    for name in names:
        matches = _matches(Path(name))
        if not matches:
            raise usage(_nothing_at(Path(name)), _nearby(Path(name), command))
        paths.update(dict.fromkeys(matches))
    return list(paths)


def extensions_beside(paths: list[Path]) -> list[Path]:
    """Return the extension files of Activiti processes that lie beside the BPMN files among *paths* and are not among them."""
    from osmia_broker.model.extension_files import SUFFIX, stem_of

    there = {path.absolute() for path in paths}
    stems = dict.fromkeys(path.with_name(stem_of(path.name)) for path in paths if path.suffix in (".bpmn", ".xml"))
    files = [stem.with_name(f"{stem.name}{SUFFIX}") for stem in stems]
    return [file for file in files if file.is_file() and file.absolute() not in there]


def _is_gone(path: Path) -> str:
    return f"'{path}' is a link to a file that is not there."


def _nothing_at(path: Path) -> str:
    """Say why *path* means no file."""
    if path.is_symlink() and not path.exists():
        return _is_gone(path)
    if path.is_dir():
        return f"There is no model in the directory '{path}', nor in those below."
    if path.exists():
        return f"Expected a file, but '{path}' is a device or a pipe."
    return f"There is no file that '{path}' means." if glob.has_magic(str(path)) else f"There is no file '{path}'."


NEARBY_MAX = 5  # files that a hint names
FOLDERS_MAX = 200  # that are looked into for them


def _nearby(path: Path, command: str) -> str:
    """Return *command* with the file that *path* probably means, or files that are nearby."""
    home = path.parent if path.parent.is_dir() else Path()
    folders = [home, *islice((one for one in sorted(home.iterdir()) if one.is_dir()), FOLDERS_MAX)]
    hidden = (".", *NOT_SEARCHED)
    files = [
        file
        for folder in folders
        if folder == home or not folder.name.startswith(hidden)
        for suffix in SUFFIXES
        for file in sorted(folder.glob(f"*{suffix}"))
        if file.is_file()
    ]
    by_name = {file.stem: file for file in reversed(files)}  # the endings are all alike
    near = nearest(path.stem, by_name)
    if near:
        return f"{command} {shlex.quote(str(by_name[near]))}"
    if not path.parent.is_dir():
        return f"{command} my-process.bpmn"
    if files:
        return f"{command} FILE   (nearby: {', '.join(map(str, files[:NEARBY_MAX]))})"
    return f"{command} FILE.bpmn   (there is no model in this folder)"


def read(paths: list[Path]) -> list[tuple[str, bytes]]:
    """Return name and content of each file, and of each model in an archive. A copy, with the same name and content, is left out.

    The name is that of the file. Files of the same name are known by their paths below the directory that holds them all.

    Raises:
        Failure: USAGE, a file cannot be read; REFUSED, an archive has no models or too many, or is damaged.
    """
    from osmia_broker.base.errors import InvalidArgument
    from osmia_broker.base.model_archives import unpacked

    named = _named(paths)
    try:
        return list(dict.fromkeys(unpacked(named)))
    except InvalidArgument as error:
        raise undeployable(refused(str(error), named, is_answer=False), len(named)) from error


def _named(paths: list[Path]) -> list[tuple[str, bytes]]:
    by_name: dict[str, dict[bytes, Path]] = defaultdict(dict)
    for path in paths:
        by_name[path.name].setdefault(_content(path), path)
    named: dict[Path, tuple[str, bytes]] = {}
    for name, found in by_name.items():
        top = os.path.commonpath([path.absolute().parent for path in found.values()])
        for content, path in found.items():
            named[path] = (name if len(found) == 1 else Path(os.path.relpath(path, top)).as_posix(), content)
    return [named[path] for path in paths if path in named]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise usage(f"Expected to read '{path}', but found: {in_words(error)}.") from error


def _matches(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(_models_below(path))
    if path.is_file():
        return [path]
    matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - `Path.glob` takes no absolute pattern
    return sorted(file for file in map(Path, matches) if file.is_file())


def _models_below(directory: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_SEARCHED]
        found += [Path(folder, name) for name in files if name.endswith(SUFFIXES)]
    return found
