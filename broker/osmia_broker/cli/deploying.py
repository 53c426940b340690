"""Deploy files, or check them as a broker would."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from osmia_broker.base.counted import counted
from osmia_broker.cli.deploy_faults import refused, undeployable
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.model_files import resources_of
from osmia_broker.cli.output import Column, Output, Row
from osmia_broker.cli.session import Session

if TYPE_CHECKING:
    from osmia import SyncClient
    from osmia.results import Deployment

CHECKED_COLUMNS = (Column("resourceName", "FILE"), Column("kind", "KIND"))


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
        raise undeployable(refused(str(error), resources, is_answer=False), len(resources)) from error
    warnings = warnings_of(compiled)
    for warning in warnings:
        session.say(f"Warning: {warning}")
    if warnings and is_strict:
        what = f"There {'is' if len(warnings) == 1 else 'are'} {counted(len(warnings), 'warning')}."
        raise Failure(Exit.REFUSED, what, code="WARNINGS")
    with_extensions = [file for one in compiled for file in (one, one.extensions) if file is not None]
    rows = [{"resourceName": one.name, "kind": one.kind} for one in with_extensions]
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
