"""Deploy files: chosen or dropped, alone or in a zip, all of them or none."""

import asyncio
import io
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from osmia_broker.base.deployment_problems import HEAD, Problem, problems_in
from osmia_broker.base.errors import InvalidArgument, Rejection
from osmia_broker.engine.answers import Deployed
from osmia_broker.engine.resources import compile_resources
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.visit import Visit

FILES_MAX = 500  # of all archives of a request
ARCHIVE_BYTES_MAX = 50 * 1024 * 1024  # of all their files
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others may ask for gigabytes before they find a fault
KINDS = {".bpmn": "BPMN", ".xml": "BPMN", ".dmn": "DMN", ".form": "Form", ".json": "Extension file"}
REMEDIES = (
    (
        "unknown resource type",
        "Choose files whose names end in .bpmn, .xml, .dmn, .form or -extensions.json, or a .zip of them.",
    ),
    ("currently not supported", "Draw this part with other elements; docs/differences.md names what is not there."),
    ("failed to parse expression", "Correct the expression in the modeler."),
    ("Duplicated ", "Keep one of the two, or give one of them another id."),
    ("file ends before", "Its end is missing; save it in the modeler again."),
    ("The file is empty", "Save it in the modeler again."),
    ("This is no XML", "Choose the file as the modeler saves it."),
    ("a zip archive", "Choose another archive, or the files that are in it."),
    ("models in the archive", "Put .bpmn, .dmn and .form files into it, or choose them themselves."),
)
#: The words of the parser of XML, and those for people; the first that begins so.
_XML = (
    ("no element found", "The file is empty"),
    ("the file ends before", "The file ends before its elements do"),
    ("DOCTYPE is disallowed", "A DOCTYPE is not allowed in a model"),
    ("Expected ", ""),
    ("mismatched tag", "This is no XML: an end tag belongs to another element"),
    ("", "This is no XML: it cannot be read here"),
)
_FAULT = re.compile(r"Fatal Error(?: at line (?P<line>\d+)(?:, column \d+)?)?: (?P<reason>.*)", re.DOTALL)
DEFAULT_REMEDY = "Correct it in the modeler, and deploy all files again."

Files = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Line:
    """One resource of an answer."""

    name: str
    version: int
    is_new: bool
    process_id: str = ""  # of a process, which can be started


@screen("/deploy")
async def show_deploy(visit: Visit) -> Response:
    """Ask for files."""
    return await visit.page("deploy.html")


@action("/deploy/check")
async def check_files(visit: Visit) -> Response:
    """Say of each file what it is, and what would keep it from being deployed. Nothing is deployed."""
    try:
        files = await _files(visit)
        problems = await asyncio.to_thread(_checked, files)
    except Rejection as refusal:
        return await visit.page("deploy.html", chosen=[], problems=_shown(str(refusal)))
    chosen = [{"name": name, "kind": _kind(name), "size": len(content)} for name, content in files]
    return await visit.page("deploy.html", chosen=chosen, problems=problems)


@action("/deploy")
async def deploy_files(visit: Visit) -> Response:
    """Deploy the files, and say of each what came of it."""
    try:
        deployed = await visit.calls.deploy(await _files(visit))
    except Rejection as refusal:
        return await visit.page("deploy.html", status=400, refused=_shown(str(refusal)))
    return await visit.page("deploy.html", deployed=_lines(deployed))


def _checked(files: Files) -> list[dict[str, Any]]:
    try:
        compile_resources(files)
    except InvalidArgument as refusal:
        return _shown(str(refusal))
    return []


async def _files(visit: Visit) -> Files:
    """Read the files that were sent; a zip stands for the models in it.

    Raises:
        InvalidArgument: there are none, or an archive cannot be read.

    """
    sent = [one for one in (await visit.form()).getlist("files") if isinstance(one, UploadFile) and one.filename]
    if not sent:
        raise InvalidArgument("Expected at least one file, but found none")
    return await asyncio.to_thread(
        _unpacked, [(PurePosixPath(one.filename or "").name, await one.read()) for one in sent]
    )


def _unpacked(sent: Files) -> Files:
    """Return the files, and in place of each archive the models in it. The bounds hold for all archives together."""
    files: Files = []
    files_left, bytes_left = FILES_MAX, ARCHIVE_BYTES_MAX
    for name, content in sent:
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
    return not member.is_dir() and not is_hidden and (path.suffix in KINDS)


def _kind(name: str) -> str:
    return KINDS.get(PurePosixPath(name).suffix, "Unknown kind of file")


def _shown(details: str) -> list[dict[str, Any]]:
    """Group the problems of a refusal by file, each with its remedy."""
    problems = problems_in(details) or [Problem("", "", "", 0, "", details.removeprefix(HEAD).strip())]
    files: dict[str, list[tuple[Problem, str]]] = {}
    for one in map(_in_words, problems):
        remedy = next((text for reason, text in REMEDIES if reason in one.reason), DEFAULT_REMEDY)
        files.setdefault(one.file, []).append((one, remedy))
    return [{"file": file, "problems": found} for file, found in files.items()]


def _in_words(problem: Problem) -> Problem:
    """Write a fault that the parser of XML found as people read it."""
    found = _FAULT.fullmatch(problem.reason)
    if found is None:
        return problem
    words = next(words for begin, words in _XML if found["reason"].startswith(begin))
    return replace(problem, line=int(found["line"] or 0), reason=words or found["reason"])


def _lines(deployed: Deployed) -> list[Line]:
    """Say of each resource whether it is new. One that was there already kept the key of its own deployment."""
    lines = [
        Line(row.name or row.bpmn_process_id, row.version, row.deployment_key == deployed.key, row.bpmn_process_id)
        for row in deployed.processes
    ]
    lines += [
        Line(row.name or row.decision_id, row.version, row.deployment_key == deployed.key) for row in deployed.decisions
    ]
    lines += [Line(row.form_id, row.version, row.deployment_key == deployed.key) for row in deployed.forms]
    return lines
