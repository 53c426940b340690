"""`osmia run`: deploy files, start the first process, and follow the instance to its end."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.deploying import deploy_files, deployed_rows, done_with
from osmia_broker.cli.failures import Failure, usage
from osmia_broker.cli.follow import follow
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.session import TIMEOUT, Session, with_session_and_timeout

WITHOUT_PROCESS = (".dmn", ".form")  #: ends of the names of files that cannot have one

app = typer.Typer(add_completion=False)


@app.command()
@with_session_and_timeout("How long to follow it; to its end unless given.")
def run(
    session: Session,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="A BPMN file, whose first process is started, and what is deployed with it. So is the extension file beside a process.",
        ),
    ],
    var: Var = None,
    vars: Vars = None,
) -> None:
    """Deploy files, start the first process, and follow the instance until it ends, at most for --timeout.

    Example: osmia run examples/dinner.bpmn --var guests=4
    """
    variables = typed.read(var, vars)
    if all(Path(one).suffix in WITHOUT_PROCESS for one in files):
        raise _no_process(files)
    with session.client(call_timeout=TIMEOUT) as client:
        deployment = deploy_files(client, files, say=session.say, command="osmia run")
        if not deployment.processes:
            raise _no_process(files)
        first = deployment.processes[0]
        done = done_with(deployed_rows(deployment)[0])
        session.say(f"{done} process {first.bpmn_process_id} (version {first.version})")
        key = client.create_instance(process_definition_key=first.key, variables=variables).key
        session.say(f"Started {key}")
        state = follow(client, key, session.say, wait=session.timeout).state
    session.one({"processInstanceKey": str(key), "state": str(state)}, key="processInstanceKey", text=str(key))


def _no_process(files: list[str]) -> Failure:
    named = shlex.join(files)
    return usage(f"There is no process in {named}.", f"osmia deploy {named}")
