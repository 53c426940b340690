"""Every snippet of docs/sdk.md runs, in order, against a broker."""

import ast
import asyncio
import inspect
from pathlib import Path
from typing import Any

from tests.bpmn import bpmn
from tests.running_broker import running_broker

ROOT = Path(__file__).parents[2]


def snippets() -> list[str]:
    parts = ROOT.joinpath("docs/sdk.md").read_text().split("```python\n")[1:]
    return [part.split("```", 1)[0] for part in parts]


async def run(snippet: str, names: dict[str, Any]) -> None:
    code = compile(snippet, "docs/sdk.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    ran = eval(code, names)
    if inspect.iscoroutine(ran):
        await ran


def test_the_snippets_run(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(ROOT)
    first, *others = snippets()
    assert len(others) >= 4
    with running_broker(tmp_path) as broker:
        failing = bpmn("start > pick:exclusive [amount > 10 -> a:end | else -> b:end]", id="failing")
        broker.client.deploy(("failing.bpmn", failing))
        broker.client.create_instance("failing")
        names: dict[str, Any] = {}

        async def all_of_them() -> None:
            await run(first.replace("127.0.0.1:26500", broker.address), names)
            async with names["Client"](broker.address) as names["client"]:
                for snippet in others:
                    await run(snippet, names)

        asyncio.run(all_of_them())
        assert names["steps"][0] == "CREATE"
        assert names["steps"][-1] == "COMPLETE"
        assert not broker.client.search_incidents(states=["OPEN"]).items
