"""`osmia mcp`: what an agent can do, and that it is held to the same rules as anybody."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

import osmia as sdk
from osmia_broker.cli.agent.tools import NAMES, READING, AgentTools, as_key
from osmia_broker.cli.commands.mcp import server
from tests.patience import ANSWER_S


def works(osmia: Any, doing: Any, user: str = "agent") -> Any:
    """Let an agent work with its tools."""

    async def work() -> Any:
        async with sdk.Client(osmia.broker.address) as client:
            return await doing(AgentTools(client, user, ["finance"]))

    return asyncio.run(work())


@pytest.fixture
def instance(osmia, unique):
    osmia.deploy("start > pay:user(name=Pay, native=yes, groups=finance) > end", unique)
    return osmia.create(unique, {"amount": 500})


def test_an_agent_finds_reads_and_proposes(osmia, unique, instance):
    async def work(tools: AgentTools) -> Any:
        [task] = (await tools.list_tasks(f"process:{unique} amount:>100"))["tasks"]
        key = task["userTaskKey"]
        await tools.comment_task(key, "looks right")
        made = await tools.propose_for_task(key, {"ok": True}, outcome="approve", reason="below the limit")
        return key, made, await tools.get_task(key)

    key, made, seen = works(osmia, work)
    assert seen["variables"] == {"amount": 500}
    assert [one["text"] for one in seen["comments"]] == ["looks right"]
    assert [(one["key"], one["state"], one["user"]) for one in seen["proposals"]] == [
        (made["proposalKey"], "OPEN", "agent")
    ]
    assert osmia.client.user_tasks.get(int(key)).state == "CREATED"  # nothing has changed
    json.dumps(seen)


def test_an_agent_claims_and_completes(osmia, unique, instance):
    async def work(tools: AgentTools) -> Any:
        task = (await tools.claim_next_task(unique))["task"]
        assert (await tools.claim_next_task(unique))["task"] is None
        await tools.unclaim_task(task["userTaskKey"])
        await tools.claim_task(task["userTaskKey"])
        before = await tools.get_instance(str(instance))
        await tools.complete_task(task["userTaskKey"], {"paid": True})
        return before, await tools.get_instance(str(instance))

    before, after = works(osmia, work)
    assert (before["instance"]["state"], after["instance"]["state"]) == ("ACTIVE", "COMPLETED")
    assert after["variables"] == {"amount": 500, "paid": True}


def test_an_agent_starts_processes_and_sees_its_instances(osmia, unique, instance):
    async def work(tools: AgentTools) -> Any:
        listed = await tools.list_processes()
        started = await tools.start_process(unique, {"amount": 1})
        return listed, started, await tools.list_instances(unique)

    listed, started, instances = works(osmia, work)
    assert unique in [one["processId"] for one in listed["processes"]]
    keys = [one["processInstanceKey"] for one in instances["instances"]]
    assert sorted(keys) == sorted([str(instance), started["processInstanceKey"]])


def test_an_agent_is_refused_as_anybody_is(osmia, unique, instance):
    async def work(tools: AgentTools) -> None:
        [task] = (await tools.list_tasks(f"process:{unique}"))["tasks"]
        await osmia_claims(task["userTaskKey"])
        with pytest.raises(sdk.InvalidState):
            await tools.claim_task(task["userTaskKey"])
        with pytest.raises(sdk.InvalidArgument):
            await tools.list_tasks("priority:high")
        with pytest.raises(sdk.NotFound):
            await tools.complete_task("5")
        with pytest.raises(ValueError, match="a key"):
            await tools.get_task("first")

    async def osmia_claims(key: str) -> None:
        await asyncio.to_thread(osmia.client.user_tasks.claim, int(key), user="bob")

    works(osmia, work)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "٣", str(2**63)])
def test_what_is_no_key(text):
    with pytest.raises(ValueError, match="Expected a key"):
        as_key(text)


def test_every_tool_says_what_it_does():
    assert set(NAMES) > READING
    for name in NAMES:
        assert getattr(AgentTools, name).__doc__, name


def test_an_agent_speaks_the_protocol(osmia, unique, instance, tmp_path):
    pytest.importorskip("mcp", reason="the extra is not installed")
    from mcp import ClientSession, StdioServerParameters, stdio_client

    command = ["-m", "osmia_broker", "mcp", "--user", "agent", "--address", osmia.broker.address]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))

    async def talk() -> Any:
        async with stdio_client(server, errlog=log) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            tools = await session.list_tools()
            listed = await session.call_tool("list_tasks", {"query": f"process:{unique}"})
            [task] = json.loads(listed.content[0].text)["tasks"]
            await session.call_tool("claim_task", {"task_key": task["userTaskKey"]})
            refused = await session.call_tool("complete_task", {"task_key": "5"})
            return tools, listed, refused

    with (tmp_path / "stderr").open("w") as log:
        tools, listed, refused = asyncio.run(talk())
    assert {tool.name for tool in tools.tools} == set(NAMES)
    assert {tool.input_schema["additionalProperties"] for tool in tools.tools} == {False}
    assert json.loads(listed.content[0].text)["total"] == 1
    assert refused.is_error
    assert "no such user task" in refused.content[0].text
    [task] = osmia.client.user_tasks.search({"processInstanceKey": str(instance)}).items
    step = osmia.client.user_tasks.history(task.key)[-1]
    assert (step.operation, step.user, step.channel) == ("ASSIGN", "agent", "MCP")


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("get_task", {"key": "abc"}, "Expected the argument 'task_key', but found none"),
        ("get_task", {"task_key": ["a"]}, "Expected 'task_key' to be a text, but found an array"),
        ("get_task", {"task_key": "first"}, "Expected a key, "),
        (
            "complete_task",
            {"task_key": "5", "variables": "x"},
            "Expected 'variables' to be an object, but found a text",
        ),
        (
            "complete_task",
            {"task_key": "5"},
            "Expected to complete user task with key '5', but no such user task was found",
        ),
        ("list_tasks", {"limit": "many"}, "Expected 'limit' to be an integer, but found a text"),
        ("drop_tables", {}, "Expected one of the tools list_tasks, "),
        (
            "complete_task",
            {"task_key": "5", "vars": {"ok": True}},
            "Expected only the arguments task_key, variables, but found 'vars'; did you mean 'variables'?",
        ),
        (
            "get_task",
            {"taskKey": "5"},
            (
                "Expected the argument 'task_key', but found none; "
                "Expected only the argument task_key, but found 'taskKey'; did you mean 'task_key'?"
            ),
        ),
        ("list_processes", {"query": "a"}, "Expected no arguments, but found 'query'"),
        (
            "list_instances",
            {"9": 1, "x" * 500: 1},
            (
                "Expected only the arguments process_id, only_with_incident, but found '9'; "
                f"Expected only the arguments process_id, only_with_incident, but found '{'x' * 100}'"
            ),
        ),
    ],
)
def test_what_an_agent_gets_wrong_is_told_in_our_words(osmia, tool: str, arguments: dict[str, Any], words: str):
    pytest.importorskip("mcp", reason="the extra is not installed")
    from mcp.server.mcpserver.exceptions import ToolError

    async def work() -> str:
        async with sdk.Client(osmia.broker.address) as client:
            with pytest.raises(ToolError) as refused:
                await server(AgentTools(client, "agent")).call_tool(tool, arguments)
            return str(refused.value)

    said = asyncio.run(work())
    assert said.startswith(words)
    assert not any(word in said for word in ("pydantic", "Error executing", "rejected with code"))


@pytest.mark.parametrize(("misspelt", "known"), [("vars", {}), ("variable", {"variables": {"amount": 1}})])
def test_a_task_is_not_completed_without_what_was_misspelt(osmia, unique, instance, misspelt, known):
    pytest.importorskip("mcp", reason="the extra is not installed")
    from mcp.server.mcpserver.exceptions import ToolError

    [task] = osmia.client.user_tasks.search({"processInstanceKey": str(instance)}).items

    async def work() -> None:
        async with sdk.Client(osmia.broker.address) as client:
            given = {"task_key": str(task.key), misspelt: {"paid": True}} | known
            with pytest.raises(ToolError, match=f"'{misspelt}'; did you mean 'variables'"):
                await server(AgentTools(client, "agent", ["finance"])).call_tool("complete_task", given)

    asyncio.run(work())
    assert osmia.client.user_tasks.get(task.key).state == "CREATED"


@pytest.mark.parametrize("variables", [{"any": 1, "taskKey": [{}]}, {}, None])
def test_variables_may_have_any_name(osmia, unique, instance, variables):
    pytest.importorskip("mcp", reason="the extra is not installed")
    [task] = osmia.client.user_tasks.search({"processInstanceKey": str(instance)}).items

    async def work() -> Any:
        async with sdk.Client(osmia.broker.address) as client:
            tools = AgentTools(client, "agent", ["finance"])
            given = {"task_key": str(task.key), "variables": variables}
            await server(tools).call_tool("complete_task", given)
            return await tools.get_instance(str(instance))

    assert asyncio.run(work())["variables"] == {"amount": 500, **(variables or {})}


def test_ctrl_c_ends_it_although_it_waits_for_its_input(osmia):
    pytest.importorskip("mcp", reason="the extra is not installed")
    command = [sys.executable, "-m", "osmia_broker", "mcp", "--address", osmia.broker.address]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, process_group=0) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.readline()
        process.stdin.write('{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1  # it waits for the next line now
        process.send_signal(signal.SIGINT)
        assert process.wait(ANSWER_S) == 0
        assert process.stderr.read() == ""
