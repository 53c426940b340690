"""The server of `osmia mcp`: what an agent gets wrong is told in our words, not in those of the library below."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from pydantic import ConfigDict, ValidationError

from osmia_broker.base.edits import did_you_mean
from osmia_broker.calls.checks import kind_of
from osmia_broker.cli.agent.tools import NAMES

if TYPE_CHECKING:
    from mcp_types import ToolAnnotations
    from pydantic_core import ErrorDetails

_KINDS = {"dict": "an object", "list": "an array", "string": "a text", "int": "an integer", "bool": "a boolean"}
NAME_CHARACTERS_MAX = 100  # of an unknown argument


def closed_tool(name: str, does: Any, annotations: "ToolAnnotations") -> Tool:
    """Make a tool that takes its own arguments and no others: what it passed over would be lost without a word."""
    tool = Tool.from_function(does, name=name, annotations=annotations)
    taken = tool.fn_metadata.arg_model
    tool.fn_metadata.arg_model = type(taken.__name__, (taken,), {"model_config": ConfigDict(extra="forbid")})
    tool.parameters = tool.fn_metadata.arg_model.model_json_schema(by_alias=True)
    return tool


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
            names = await self._arguments(name)
            raise ToolError(_sentence(error.__cause__ or error, names)) from error.__cause__

    async def _arguments(self, tool: str) -> Collection[str]:
        """Return the names of the arguments that a tool takes."""
        schemas = {one.name: one.input_schema for one in await self.list_tools()}
        names: Collection[str] = schemas[tool]["properties"]
        return names


def _sentence(refusal: BaseException, names: Collection[str]) -> str:
    """Say why a call was refused; its tool takes arguments of these *names*."""
    if isinstance(refusal, ValidationError):
        return "; ".join(_of_argument(one, names) for one in refusal.errors())
    return str(refusal)


def _of_argument(error: "ErrorDetails", names: Collection[str]) -> str:
    """Say what is wrong with an argument of a tool."""
    place = ".".join(map(str, error["loc"]))
    kind = error["type"].partition("_")[0]
    if kind == "extra":
        return _unknown(place, names)
    if kind == "missing":
        return f"Expected the argument '{place}', but found none"
    expected = _KINDS.get(kind, "another value")
    return f"Expected '{place}' to be {expected}, but found {kind_of(error['input'])}"


def _unknown(name: str, names: Collection[str]) -> str:
    """Say that a tool has no argument of this name, and which one may be meant."""
    arguments = "argument" if len(names) == 1 else "arguments"
    expected = f"only the {arguments} {', '.join(names)}" if names else "no arguments"
    hint = did_you_mean(name.lower(), names, likeness=0.5)
    return f"Expected {expected}, but found '{name[:NAME_CHARACTERS_MAX]}'{hint}"
