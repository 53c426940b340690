"""Deploy files: chosen or dropped, alone or in a zip, all of them or none."""

import asyncio
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from starlette.datastructures import UploadFile
from starlette.responses import Response

from osmia_broker.base.deployment_problems import HEAD, Problem, in_words, problems_in
from osmia_broker.base.errors import InvalidArgument, Rejection
from osmia_broker.base.model_archives import Files, unpacked
from osmia_broker.engine.answers import Deployed
from osmia_broker.engine.resources import compile_resources, warnings_of
from osmia_broker.http.web.screen import action, screen
from osmia_broker.http.web.visit import Visit
from osmia_broker.model import extension_files

KINDS = {".bpmn": "BPMN", ".xml": "BPMN", ".dmn": "DMN", ".form": "Form", ".json": "Extension file"}
REMEDIES = (
    (
        "unknown resource type",
        "Choose files whose names end in .bpmn, .xml, .dmn, .form or -extensions.json, or a .zip of them.",
    ),
    ("currently not supported", "Draw this part with other elements."),
    ("failed to parse expression", "Correct the expression in the modeler."),
    ("Duplicated ", "Keep one of the two, or give one of them another id."),
    ("file ends before", "Its end is missing; save it in the modeler again."),
    ("The file is empty", "Save it in the modeler again."),
    ("This is no XML", "Choose the file as the modeler saves it."),
    ("Expected 'definitions' of BPMN", "Choose a BPMN file, as the modeler saves it."),
    ("Expected the root 'definitions' of DMN", "Choose a DMN file, as the modeler saves it."),
    ("A DOCTYPE", "Save it without one, as the modeler does."),
    ("Expected the BPMN file ", "Choose the BPMN file of its process, too."),
    ("a zip archive", "Choose another archive, or the files that are in it."),
    ("bytes in all, but found more", "Choose a smaller archive, or the files that are in it."),
    ("deflated or stored", "Choose an archive of the usual kind, or the files that are in it."),
    ("models in the archive", "Put .bpmn, .dmn and .form files into it, or choose them themselves."),
)
DEFAULT_REMEDY = "Correct it in the modeler, and deploy all files again."
EXTENSIONS_REMEDY = "Correct this extension file, and deploy all files again."  # no modeler opens it


@dataclass(frozen=True, slots=True)
class Line:
    """One resource of an answer."""

    kind: str  # in words
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
        problems, warnings = await asyncio.to_thread(_checked, files)
    except Rejection as refusal:
        return await visit.page("deploy.html", chosen=[], problems=_shown(str(refusal)))
    chosen = [{"name": name, "kind": _kind(name), "size": len(content)} for name, content in files]
    return await visit.page("deploy.html", chosen=chosen, problems=problems, warnings=warnings)


@action("/deploy")
async def deploy_files(visit: Visit) -> Response:
    """Deploy the files, and say of each what came of it."""
    try:
        deployed, warnings = await visit.calls.deploy_with_warnings(await _files(visit))
    except Rejection as refusal:
        return await visit.page("deploy.html", status=400, refused=_shown(str(refusal)))
    return await visit.page("deploy.html", deployed=_lines(deployed), deployed_warnings=warnings)


def _checked(files: Files) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what keeps the files from being deployed, and what can be deployed and probably does not do what its author meant."""
    try:
        return [], warnings_of(compile_resources(files))
    except InvalidArgument as refusal:
        return _shown(str(refusal)), []


async def _files(visit: Visit) -> Files:
    """Read the files that were sent; a zip stands for the models in it.

    Raises:
        InvalidArgument: there are none, or an archive cannot be read.

    """
    sent = [one for one in (await visit.form()).getlist("files") if isinstance(one, UploadFile) and one.filename]
    if not sent:
        raise InvalidArgument("Expected at least one file, but found none")
    return await asyncio.to_thread(
        unpacked, [(PurePosixPath(one.filename or "").name, await one.read()) for one in sent]
    )


def _kind(name: str) -> str:
    return KINDS.get(PurePosixPath(name).suffix, "Unknown kind of file")


def _shown(details: str) -> list[dict[str, Any]]:
    """Group the problems of a refusal by file, each with its remedy."""
    problems = problems_in(details) or [Problem("", "", "", 0, "", details.removeprefix(HEAD).strip())]
    files: dict[str, list[tuple[Problem, str]]] = {}
    for one in map(in_words, problems):
        files.setdefault(one.file, []).append((one, _remedy(one)))
    return [{"file": file, "problems": found} for file, found in files.items()]


def _remedy(problem: Problem) -> str:
    """Say how a problem is mended; nothing where its reason says so itself, behind a semicolon."""
    if "; " in problem.reason:
        return ""
    other = EXTENSIONS_REMEDY if problem.file.endswith(extension_files.SUFFIX) else DEFAULT_REMEDY
    return next((text for reason, text in REMEDIES if reason in problem.reason), other)


def _lines(deployed: Deployed) -> list[Line]:
    """Say of each resource whether it is new. One that was there already kept the key of its own deployment."""
    lines = [
        Line(
            "process",
            row.name or row.bpmn_process_id,
            row.version,
            row.deployment_key == deployed.key,
            row.bpmn_process_id,
        )
        for row in deployed.processes
    ]
    lines += [
        Line("decision", row.name or row.decision_id, row.version, row.deployment_key == deployed.key)
        for row in deployed.decisions
    ]
    lines += [Line("form", row.form_id, row.version, row.deployment_key == deployed.key) for row in deployed.forms]
    return lines
