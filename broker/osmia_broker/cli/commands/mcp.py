"""`osmia mcp`: a server of the Model Context Protocol, with which an agent works on tasks like any other client, under the same policy."""

import asyncio
import functools
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import typer

from osmia_broker.cli.agent.tools import NAMES, READING, AgentTools
from osmia_broker.cli.failures import Exit, until_interrupted, usage
from osmia_broker.cli.options import Groups, User, names
from osmia_broker.cli.session import Session, with_session

if TYPE_CHECKING:
    from mcp.server import MCPServer

app = typer.Typer(add_completion=False)

INSTRUCTIONS = (
    "Osmia is a broker for work that waits, mostly for people. Look for work with list_tasks and read a task with get_task. Where a person "
    "should decide, use propose_for_task and say why; complete_task is final. Keys are texts."
)


@app.command()
@with_session
def mcp(session: Session, user: User = "", groups: Groups = "") -> None:
    """Serve the Model Context Protocol on stdin and stdout, so that an agent can work on tasks. Needs: pip install '.[mcp]' in a checkout.

    The agent acts as --user with --groups (or with the sign-in), and may do what the task policy allows them.

    Example: osmia mcp --user agent --groups finance
    """
    try:
        import mcp.server  # noqa: F401 - the extra may be missing
    except ImportError as error:
        raise usage(
            "The Model Context Protocol is not installed.", "pip install '.[mcp]'   (in a checkout of Osmia)"
        ) from error
    with until_interrupted():
        asyncio.run(_serve(session, user, names(groups)))


async def _serve(session: Session, user: str, groups: list[str]) -> None:
    from osmia import Client

    try:
        client = Client(session.address, sign_in=session.sign_in(), metadata=[("osmia-client", "mcp")])
    except ValueError as error:
        raise usage(f"{error}.") from error
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _leave)
    async with client:
        session.say("Serving the Model Context Protocol on stdin and stdout. Ctrl-C ends it.")
        await server(AgentTools(client, user, groups)).run_stdio_async()


def _leave() -> None:
    """End the process at once: the thread that waits for a line of stdin can be neither interrupted nor awaited."""
    sys.stdout.flush()
    os._exit(Exit.DONE)


def server(tools: AgentTools) -> "MCPServer[Any]":
    """Make the server: every method of *tools* is a tool of the protocol."""
    from mcp_types import ToolAnnotations

    from osmia_broker import __version__
    from osmia_broker.cli.agent.server import AgentServer, closed_tool

    made = [
        closed_tool(
            name,
            _with_sentences(getattr(tools, name)),
            ToolAnnotations(read_only_hint=name in READING, open_world_hint=False),
        )
        for name in NAMES
    ]
    return AgentServer("osmia", instructions=INSTRUCTIONS, version=__version__, tools=made, log_level="WARNING")


def _with_sentences(tool: Any) -> Any:
    """Turn the refusals of the broker into errors of the tool: their sentence says what was expected, so an agent can mend its call."""
    from mcp.server.mcpserver.exceptions import ToolError

    from osmia.errors import OsmiaError

    @functools.wraps(tool)
    async def called(*args: Any, **given: Any) -> Any:
        try:
            return await tool(*args, **given)
        except OsmiaError as error:
            raise ToolError(error.sentence) from error
        except ValueError as error:
            raise ToolError(str(error)) from error

    return called
