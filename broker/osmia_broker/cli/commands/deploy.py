"""`osmia deploy`: send BPMN, DMN, form and extension files to the broker, all of them or none."""

import glob
import os
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from osmia_broker.base.counted import counted
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.deploy_faults import refused
from osmia_broker.cli.failures import Exit, Failure, from_call, report, until_interrupted, usage
from osmia_broker.cli.output import Column, Output, Row
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import Deployment

app = typer.Typer(add_completion=False)

SUFFIXES = (".bpmn", ".dmn", ".form", "-extensions.json")  # of the files that a directory means
# Folders with copies and with files of others. Hidden folders are not searched either.
NOT_SEARCHED = frozenset({"node_modules", "__pycache__", "site-packages"})
COLUMNS = (
    Column("key", "KEY"),
    Column("kind", "KIND"),
    Column("id", "ID"),
    Column("version", "VERSION"),
    Column("resourceName", "FILE"),
)

PLANNED_COLUMNS = (
    Column("resourceName", "FILE"),
    Column("kind", "KIND"),
    Column("id", "ID"),
    Column("version", "VERSION"),
    Column("isNew", "NEW"),
)
CHECKED_COLUMNS = (Column("resourceName", "FILE"), Column("kind", "KIND"))


@app.command()
@with_session
def deploy(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help=(
                "Files, patterns, or directories: all .bpmn, .dmn, .form and -extensions.json files below, without hidden directories. "
                "A .zip stands for the models in it."
            ),
        ),
    ],
    is_dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Deploy nothing: let the broker check the files, and say what it would do."),
    ] = False,
    is_watching: Annotated[
        bool, typer.Option("--watch", help="Deploy them again when one is saved, until Ctrl-C.")
    ] = False,
) -> None:
    """Deploy BPMN, DMN and form files, with the extension files that lie beside their processes: all of them or none.

    Example: osmia deploy examples/dinner.bpmn
    """
    with session.client() as client:
        if is_dry_run:
            _plan(session, client, files)
            return
        try:
            _deploy(session, client, files)
        except KeyboardInterrupt:
            session.say("Interrupted. Whether the files were deployed: osmia processes")
            raise
        if is_watching:
            _watch(session, client, files)


def _watch(session: Session, client: "SyncClient", files: list[str]) -> None:
    session.say("Watching. Ctrl-C ends it.")
    with until_interrupted():
        for _ in saved(files):
            _deploy_again(session, client, files)


def _deploy(session: Session, client: "SyncClient", files: list[str]) -> None:
    rows = deployed_rows(deploy_files(client, files, say=session.say))
    if session.output is Output.TABLE:
        for row in rows:
            typer.echo(
                f"{done_with(row)} {row['kind']} {row['id']} (version {row['version']}) from {row['resourceName']}"
            )
    else:
        session.list(rows, COLUMNS, empty="")
    sys.stdout.flush()  # who watches sees it at once


def _plan(session: Session, client: "SyncClient", files: list[str]) -> None:
    """Let the broker check the files, and say what a deployment would do. A broker that is not Osmia has no such call; they are checked here then."""
    from osmia.errors import InvalidArgument, Unimplemented

    resources = resources_of(files, "osmia deploy --dry-run", session.say)
    try:
        plan = client.check_deployment(*resources)
    except Unimplemented:
        session.say("This broker does not check files without deploying them, so they are checked here.")
        check(session, files, "osmia deploy --dry-run")
        return
    except InvalidArgument as error:
        raise _undeployable(refused(error.details, resources), len(resources)) from error
    for warning in plan.warnings:
        session.say(f"Warning: {warning}")
    rows = [
        {"resourceName": one.resource_name, "kind": one.kind, "id": one.id, "version": one.version, "isNew": one.is_new}
        for one in plan.definitions
    ]
    if session.output is Output.TABLE:
        for row in rows:
            verb = "Would deploy" if row["isNew"] else "Unchanged"
            typer.echo(f"{verb} {row['kind']} {row['id']} (version {row['version']}) from {row['resourceName']}")
    else:
        session.list(rows, PLANNED_COLUMNS, empty="")


def _undeployable(failure: Failure, files: int) -> Failure:
    whose = "The file" if files == 1 else "The files"
    failure.what = failure.what.replace("Nothing was deployed", f"{whose} cannot be deployed")
    return failure


def _deploy_again(session: Session, client: "SyncClient", files: list[str]) -> None:
    """Deploy after a change. A fault is reported, and the next change may mend it."""
    from osmia.errors import OsmiaError

    try:
        _deploy(session, client, files)
    except Failure as failure:
        report(failure, [])
    except OsmiaError as error:
        report(from_call(error, client.address), [])


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


def check(session: Session, files: list[str], command: str, *, is_strict: bool = False) -> None:
    """Check files as the broker would, without one, and say what was found. *command* is the one that was called.

    Raises:
        Failure: REFUSED; they cannot be deployed, or there are warnings and *is_strict*.
    """
    from osmia_broker.base.errors import InvalidArgument
    from osmia_broker.engine.resources import compile_resources, warnings_of

    resources = resources_of(files, command, session.say)
    try:
        compiled = compile_resources(resources)
    except InvalidArgument as error:
        raise _undeployable(refused(str(error), resources, is_answer=False), len(resources)) from error
    warnings = warnings_of(compiled)
    for warning in warnings:
        session.say(f"Warning: {warning}")
    if warnings and is_strict:
        what = f"There {'is' if len(warnings) == 1 else 'are'} {counted(len(warnings), 'warning')}."
        raise Failure(Exit.REFUSED, what, code="WARNINGS")
    rows = [{"resourceName": one.name, "kind": one.kind} for one in compiled]
    if session.output is Output.TABLE:
        session.say(f"{counted(len(rows), 'file')} can be deployed.")
    else:
        session.list(rows, CHECKED_COLUMNS, empty="")


def deploy_files(
    client: "SyncClient", names: list[str], *, say: Callable[[str], None], command: str = "osmia deploy"
) -> "Deployment":
    """Deploy the files that *names* mean, and *say* what the broker takes and nobody will hear of: see `osmia lint`.

    Raises:
        Failure: USAGE, a file is not there; REFUSED, the broker takes none of them.
    """
    from osmia.errors import InvalidArgument

    resources = resources_of(names, command, say)
    try:
        deployment = client.deploy(*resources)
    except InvalidArgument as error:
        raise refused(error.details, resources) from error
    for warning in warnings_about(resources):
        say(f"Warning: {warning}")
    return deployment


def warnings_about(resources: list[tuple[str, bytes]]) -> list[str]:
    """Return the warnings about files that can be deployed. None where this program reads a model in another way than its broker."""
    from osmia_broker.base.errors import InvalidArgument
    from osmia_broker.engine.resources import compile_resources, warnings_of

    try:
        return warnings_of(compile_resources(resources))
    except InvalidArgument:
        return []


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
    near = get_close_matches(path.stem, by_name, n=1)
    if near:
        return f"{command} {shlex.quote(str(by_name[near[0]]))}"
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
        raise _undeployable(refused(str(error), named, is_answer=False), len(named)) from error


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


def done_with(row: Row) -> str:
    """Return what a deployment did with the definition of this row, in a word."""
    return "Deployed" if row["isNew"] else "Unchanged"


def deployed_rows(deployment: "Deployment") -> list[Row]:
    """Return one row per definition of *deployment*."""
    files = {graph.key: graph.resource_name for graph in deployment.decision_requirements}

    def is_new(key: int) -> dict[str, bool]:
        """Say whether this deployment made the definition: keys grow, and that of the deployment is given first."""
        return {"isNew": key > deployment.key}

    return [
        *(
            _row("process", one.key, one.bpmn_process_id, one.version, one.resource_name)
            | {"processDefinitionKey": str(one.key), "processDefinitionId": one.bpmn_process_id}
            | is_new(one.key)
            for one in deployment.processes
        ),
        *(
            _row("decision", one.key, one.decision_id, one.version, files.get(one.requirements_key, ""))
            | {"decisionDefinitionKey": str(one.key), "decisionDefinitionId": one.decision_id}
            | is_new(one.key)
            for one in deployment.decisions
        ),
        *(
            _row("form", one.key, one.form_id, one.version, one.resource_name)
            | {"formKey": str(one.key), "formId": one.form_id}
            | is_new(one.key)
            for one in deployment.forms
        ),
    ]


def _row(kind: str, key: int, id: str, version: int, resource_name: str) -> dict[str, Any]:
    return {"key": str(key), "kind": kind, "id": id, "version": version, "resourceName": resource_name}
