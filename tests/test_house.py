"""House rules that a tool does not know: which way imports point, how long things get, that no registry has a hole."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import httpx

from tests.patience import ANSWER_S

ROOT = Path(__file__).parent.parent
HOMES = {"osmia": ROOT / "client", "osmia_broker": ROOT / "broker"}

# Lower numbers must not import higher ones; equal ones do not know each other. Packages by their first name, modules by their own.
LAYERS = {
    "": 0,  # osmia_broker itself: the version
    "base": 0,
    "settings": 1,
    "metrics": 1,
    "tls": 1,
    "h2": 0,
    "rpc": 2,
    "links": 3,
    "auth": 3,
    "feel": 1,
    "juel": 1,
    "dmn": 2,
    "model": 3,
    "state": 4,
    "engine": 5,
    "store": 5,
    "partition": 6,
    "calls": 7,
    "gateway": 8,
    "http": 8,
    "loadtest": 10,
    "running": 10,
    "testing": 12,
    "pytest_plugin": 13,
    "cli": 13,
    "__main__": 14,
}
PURE = ("feel", "juel", "dmn", "model", "state", "engine")  # told the time and the keys; they ask nobody
IMPURE = {"asyncio", "grpc", "logging", "os", "random", "socket", "sqlalchemy", "sqlite3", "subprocess", "threading"}
IMPURE_ALLOWED = {
    "osmia_broker.engine.engine": {"logging"},  # a defect in a step becomes an incident, and its trace must not be lost
    "osmia_broker.feel.functions.numeric": {"random"},  # FEEL's own `random number()`
}
# A call means the same behind every door, so only one door speaks gRPC.
NO_GRPC = ("calls", "partition", "store", "http")
SDK_MAY_IMPORT = {"osmia", "osmia_proto", "grpc", "msgspec", "google"} | sys.stdlib_module_names
SDK_USERS = ("child", "cli", "loadtest", "testing")  # the broker's own parts never talk to a broker

FUNCTION_LINES_MAX = 60
NEVER_ONE = {
    "osmia_broker.engine.modification",
    "osmia_broker.store.refused",
}  # they tell of too many, and write numbers as all refusals do
LEVELS_MAX = 3  # of blocks in blocks
PROSE_CHARACTERS_MAX = 150  # of a line of a docstring or a comment; a text that is shown stays whole
FILE_LINES_MAX = 500
FILES_BEYOND: dict[str, str] = {}  # path: the reason why it is better whole


def modules(*homes: str) -> dict[str, Path]:
    """Every module of *homes* by its dotted name."""
    found = {}
    for home in homes:
        for path in sorted((HOMES[home] / home).rglob("*.py")):
            parts = path.relative_to(HOMES[home]).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules("osmia", "osmia_broker")


class Trees(dict[str, ast.Module]):
    """The syntax trees of modules, parsed when they are first asked for: most test processes play no test of this file."""

    def __missing__(self, module: str) -> ast.Module:
        tree = self[module] = ast.parse(MODULES[module].read_text())
        return tree


TREES = Trees()


def none(wrong: Iterable[str]) -> None:
    """Fail with all breaches of a rule, a line each."""
    found = sorted(set(wrong))
    assert not found, "\n".join(found)


def imports(tree: ast.AST, *, only_at_start: bool = False) -> Iterator[str]:
    """What is imported anywhere in *tree*, or only by what runs when the module is imported; `TYPE_CHECKING` counts as never."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        elif not (only_at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from imports(node, only_at_start=only_at_start)


def part(module: str) -> str:
    return [*module.split("."), ""][1]


BROKER = [name for name in MODULES if name.startswith("osmia_broker")]


def met(module: str) -> set[str]:
    """The packages that a module imports, by their first name."""
    return {imported.split(".")[0] for imported in imports(TREES[module])}


def test_every_module_has_a_layer():
    none(f"{module} has no layer: say in LAYERS where it belongs" for module in BROKER if part(module) not in LAYERS)


def test_imports_point_down():
    none(
        f"{module} imports {imported}, which is not below it"
        for module in BROKER
        for imported in imports(TREES[module])
        if imported.split(".")[0] == "osmia_broker"
        and part(imported) != part(module)
        and LAYERS[part(imported)] >= LAYERS[part(module)]
    )


def test_the_rules_do_no_io_and_ask_no_clock():
    none(
        f"{module} is pure, but imports {impure}"
        for module in BROKER
        if part(module) in PURE
        for impure in met(module) & IMPURE - IMPURE_ALLOWED.get(module, set())
    )


def test_only_the_grpc_door_speaks_grpc():
    none(
        f"{module} serves every door, but imports {grpc}"
        for module in BROKER
        if part(module) in NO_GRPC
        for grpc in met(module) & {"grpc", "osmia_proto", "google"}
    )


def test_only_the_command_line_uses_the_sdk():
    none(f"{module} imports osmia" for module in BROKER if part(module) not in SDK_USERS and "osmia" in met(module))


def test_the_sdk_is_thin():
    none(
        f"{module} imports {more}"
        for module in MODULES
        if module.split(".")[0] == "osmia"
        for more in met(module) - SDK_MAY_IMPORT - {"pytest"}
    )


def test_no_module_reaches_itself_through_its_imports():
    graph = {name: set(imports(TREES[name], only_at_start=True)) & MODULES.keys() - {name} for name in MODULES}
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        assert name not in path, "a circle: " + " -> ".join([*path[path.index(name) :], name])
        if name not in done:
            for imported in sorted(graph[name]):
                walk(imported, [*path, name])
            done.add(name)

    for name in graph:
        walk(name, [])


def test_every_module_says_what_it_is_for():
    none(f"{module} has no docstring" for module in MODULES if not ast.get_docstring(TREES[module]))


def test_no_docstring_begins_with_a_question():
    """A noun or a verb names the thing itself; "What a beat has found" makes the reader wait for it."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    none(
        f"{module}: {text.splitlines()[0]}"
        for module in MODULES
        for node in ast.walk(TREES[module])
        if isinstance(node, documented) and (text := ast.get_docstring(node))
        if text.split()[0] in ("What", "Which", "Who", "Whose", "Whoever", "Whatever", "How")
    )


def texts_shown(tree: ast.Module) -> set[int]:
    """The lines of texts in *tree* that are no docstrings."""
    documented = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {line for node in texts if node not in documented for line in range(node.lineno, node.end_lineno + 1)}


def test_no_line_of_prose_is_longer_than_a_reader_follows():
    long = {
        module: lines
        for module, path in MODULES.items()
        if (lines := {n for n, line in enumerate(path.read_text().splitlines(), 1) if len(line) > PROSE_CHARACTERS_MAX})
    }
    none(f"{module}:{line}" for module, lines in long.items() for line in lines - texts_shown(TREES[module]))


OF_GRPC = {"PROTOCOL-HTTP2.md", "compression.md", "statuscodes.md"}  # its published documents


def test_no_text_names_a_document_that_a_reader_does_not_have():
    here = {path.name for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))}
    none(
        f"{path.relative_to(ROOT)} names {name}, which is no document of this repository"
        for path in MODULES.values()
        for name in set(re.findall(r"[\w.-]+\.md\b", path.read_text())) - here - OF_GRPC
    )


def test_every_decision_has_the_same_parts():
    """A stranger who looks one up finds the choice, and what would change it, where those of the others stand."""
    for path in (ROOT / "docs/decisions").glob("[0-9]*.md"):
        title, *lines = path.read_text().splitlines()
        assert title.startswith(f"# {path.name[:4]} "), f"{path.name} is called '{title}'"
        parts = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
        for part_wanted in ("Context", "Choice", "What would change our mind"):
            assert part_wanted in parts, f"{path.name} has no part '{part_wanted}', but {parts}"


def test_no_file_of_tests_imports_another():
    """What two of them need stands in a file of its own, where somebody looks for it; so one can be deleted without the other."""
    borrowed = re.compile(r"^\s*(?:from|import) (tests\.(?:\w+\.)*test_\w+)", re.MULTILINE)
    none(
        f"{path.relative_to(ROOT)} imports {found}"
        for path in (ROOT / "tests").rglob("*.py")
        for found in borrowed.findall(path.read_text())
    )


def test_files_stay_readable():
    lines = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in MODULES.values()}
    none(
        f"{path} has {number} lines"
        for path, number in lines.items()
        if number > FILE_LINES_MAX and str(path) not in FILES_BEYOND
    )


# What the formatter makes of a comment that is too long for its line: it breaks the line of code, and a reader looks for a tuple or a second condition.
BROKEN = re.compile(r"^ *[)\]}]+(?: .*)?:?,?  #(?! fmt:| noqa| type:)|[=:] \(\n[^\n]+  # [^\n]*\n *\)$", re.MULTILINE)


def test_no_line_is_broken_by_its_comment():
    none(
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, one.start()) + 1}: its comment belongs on a line of its own, above"
        for path in MODULES.values()
        for text in [path.read_text()]
        for one in BROKEN.finditer(text)
    )


# A revision is a record of what was done to the schema, one statement per table, and never changed: not code to read as one thought.
SHORT = [module for module in MODULES if ".store.migrations.versions." not in module]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring."""
    documented = function.body[0].end_lineno - function.body[0].lineno + 1 if ast.get_docstring(function) else 0
    return function.end_lineno - function.lineno + 1 - documented


def test_functions_stay_short():
    none(
        f"{module}.{node.name} has {code_lines(node)} lines"
        for module in SHORT
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > FUNCTION_LINES_MAX
    )


BLOCK = ast.If | ast.For | ast.While | ast.With | ast.Try | ast.AsyncFor | ast.AsyncWith | ast.Match
INNER = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda


def levels(node: ast.AST) -> int:
    """The deepest nesting of blocks in *node*; an `elif` is beside its `if`, and a function inside counts for itself."""

    def deepest(child: ast.AST) -> int:
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        return levels(child) + (isinstance(child, BLOCK) and not is_elif)

    return max((deepest(child) for child in ast.iter_child_nodes(node) if not isinstance(child, INNER)), default=0)


def test_functions_stay_flat():
    none(
        f"{module}.{node.name} has {deep} levels of blocks"
        for module in MODULES
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (deep := levels(node)) > LEVELS_MAX
    )


def sleeps(node: ast.AST) -> bool:
    """Whether *node* is a call that sleeps for a time."""
    is_sleep = (
        isinstance(node, ast.Call) and (getattr(node.func, "attr", "") or getattr(node.func, "id", "")) == "sleep"
    )
    return (
        is_sleep
        and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep", "sleep")
        and ast.unparse(node.args[0]) != "0"
    )


SHORT_TEXT = 80  # characters: a longer one is prose


def read_in(tree: ast.Module) -> Iterator[str]:
    """Every name that *tree* reads, also in a short text: as a list of exports, `getattr` and another process have it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from re.findall(r"\w+", node.value) if len(node.value) <= SHORT_TEXT else ()


def made_in(tree: ast.Module) -> Iterator[str]:
    """The names that *tree* makes at its top, without those that a decorator may have taken into a registry."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if all("dataclass" in ast.unparse(one) or "cache" in ast.unparse(one) for one in node.decorator_list):
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name))


def test_nothing_is_left_that_nobody_uses():
    """Only what the broker and the SDK themselves use counts: nothing is kept for tests alone."""
    used = {name for module in MODULES for name in read_in(TREES[module])}
    none(
        f"{module}.{name} is not used"
        for module in SHORT
        for name in made_in(TREES[module])
        if name not in used and not name.startswith(("pytest_", "__"))
    )


def test_a_number_of_things_is_written_with_counted():
    """`{len(keys)} tasks` says "1 tasks" one day. Where one thing has words of its own, `... if len(keys) == 1 else ...`, the plural is right."""
    none(
        f"{module}:{text.lineno} counts without osmia_broker.base.counted"
        for module in BROKER
        if module not in NEVER_ONE
        for text in texts_for_several(TREES[module])
        for value, behind in pairwise(text.values)
        if isinstance(value, ast.FormattedValue) and ast.unparse(value.value).startswith("len(")
        if isinstance(behind, ast.Constant) and re.match(r" [a-z]+s\b", str(behind.value))
    )


def texts_for_several(node: ast.AST) -> Iterator[ast.JoinedStr]:
    """The texts with values in them, but for those that are chosen when a length is not 1."""
    if isinstance(node, ast.JoinedStr):
        yield node
    for child in ast.iter_child_nodes(node):
        is_told_apart = isinstance(node, ast.IfExp) and child is node.orelse and " == 1" in ast.unparse(node.test)
        if not is_told_apart:
            yield from texts_for_several(child)


def test_no_test_sleeps_to_wait():
    none(
        f"{path.relative_to(ROOT)}:{node.lineno} sleeps; wait for the event itself, or look at another program with tests.patience.until"
        for path in (ROOT / "tests").rglob("*.py")
        if path.name != "patience.py" and "sleep" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if sleeps(node)
    )


def test_no_client_of_http_gives_up_on_a_busy_machine():
    with httpx.Client() as asked_for_nothing_else:
        assert asked_for_nothing_else.timeout == httpx.Timeout(ANSWER_S)


def test_every_reader_of_the_environment_is_known():
    readers = {
        name
        for name in MODULES
        for node in ast.walk(TREES[name])
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
    }
    passed_on = {"osmia_broker.running.supervisor", "osmia_broker.running.processes"}  # to the processes of a broker
    passed_on |= {"osmia_broker.cli"}  # to the core of grpcio: it logs nothing
    known = {
        "osmia_broker.settings.sources",
        "osmia_broker.base.surroundings",
        "osmia_broker.cli.profiles",
        "osmia._address",
        "osmia.access",
    }
    assert readers <= known | passed_on, readers


def test_every_call_of_the_contract_is_answered_or_left_out_on_purpose():
    from osmia_broker.calls import Calls
    from osmia_broker.gateway.events_service import Events
    from osmia_broker.gateway.gateway_service import Gateway
    from osmia_broker.gateway.queries_service import Queries
    from osmia_broker.gateway.services import services_of
    from osmia_broker.gateway.user_tasks_service import UserTasks
    from osmia_proto.methods import SERVICES
    from tests.calls.scripted import ScriptedPartition

    calls = Calls(ScriptedPartition())  # type: ignore[arg-type]
    served = services_of(Gateway, calls, Queries, Events, UserTasks, documents=None)  # type: ignore[arg-type]
    none(f"{name} is not answered" for methods, by in served for name in methods if not hasattr(by, name))
    assert {id(methods) for methods, _ in served} == {id(methods) for methods in SERVICES.values()}


def test_every_kind_of_element_can_be_read_and_processed():
    from osmia_broker.engine import PROCESSORS
    from osmia_broker.model.graph import ElementType

    text = "".join(path.read_text() for name, path in MODULES.items() if part(name) == "model" and "graph" not in name)
    held_by_elements = {ElementType.MULTI_INSTANCE_BODY, ElementType.AD_HOC_SUB_PROCESS_INNER_INSTANCE}
    assert {kind for kind in ElementType if f"ElementType.{kind.name}" not in text} == held_by_elements, "no parser"
    assert set(ElementType) - PROCESSORS.keys() - {ElementType.PROCESS} == set(), "no processor"


def subclasses(root: type) -> set[type]:
    return {root, *(one for child in root.__subclasses__() for one in subclasses(child))}


def test_every_command_of_the_engine_can_be_carried_out():
    from osmia_broker.engine import HANDLERS
    from osmia_broker.engine.commands import Command
    from osmia_broker.engine.follow_ups import FOLLOW_UPS

    carried_out = HANDLERS.keys() | {command for command, _ in FOLLOW_UPS.values()}
    of_engine = {one for one in subclasses(Command) if one.__module__.startswith("osmia_broker.engine.")}
    roots = {one for one in of_engine if one.__subclasses__()}
    none(f"{one.__name__} has no handler" for one in of_engine - roots - carried_out)


def test_what_commands_share_knows_no_command():
    none(
        f"{module} imports {imported}"
        for module in BROKER
        if module.startswith("osmia_broker.cli.") and not module.startswith("osmia_broker.cli.commands")
        for imported in imports(TREES[module])
        if imported.startswith("osmia_broker.cli.commands")
    )


def test_every_command_that_is_listed_is_there_and_has_an_example():
    from osmia_broker.cli.app import COMMANDS

    for name in COMMANDS:
        tree = TREES[f"osmia_broker.cli.commands.{name.replace('-', '_')}"]
        commands = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef) and any("command" in ast.unparse(one) for one in node.decorator_list)
        ]
        assert commands, f"{name} has no command"
        for command in commands:
            assert "Example: osmia " in (ast.get_docstring(command) or ""), f"{name}.{command.name} has no example"
