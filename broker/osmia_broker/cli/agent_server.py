"""The server of `osmia mcp`: what an agent gets wrong is told in our words, not in those of the library below."""

from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from pydantic import ValidationError

from osmia_broker.cli.agent_tools import NAMES
from osmia_broker.http.types import kind_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_KINDS = {"dict": "an object", "list": "an array", "string": "a text", "int": "an integer", "bool": "a boolean"}


class AgentServer(MCPServer[Any]):
    """Serves tools. The text of a refusal is one that an agent can mend its call by."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool.

        Raises:
            ToolError: the tool is unknown, its arguments do not fit, or it refuses.

        """
        if name not in NAMES:
            raise ToolError(f"Expected one of the tools {', '.join(NAMES)}, but found '{name}'")
        try:
            return await super().call_tool(name, arguments, context)
        except UnexpectedToolError:
            raise  # a defect; the library logs it
        except ToolError as error:
            raise ToolError(_sentence(error.__cause__ or error)) from error.__cause__


def _sentence(refusal: BaseException) -> str:
    if isinstance(refusal, ValidationError):
        return "; ".join(_of_argument(one) for one in refusal.errors())
    return str(refusal)


def _of_argument(error: "ErrorDetails") -> str:
    """Say what is wrong with an argument of a tool."""
    place = ".".join(map(str, error["loc"]))
    kind = error["type"].partition("_")[0]
    if kind == "missing":
        return f"Expected the argument '{place}', but found none"
    expected = _KINDS.get(kind, "another value")
    return f"Expected '{place}' to be {expected}, but found {kind_of(error['input'])}"
