"""What stands behind `try:` can be typed as it stands, and leads on."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from osmia_broker.cli import advice
from osmia_broker.cli.app import app, run

CLI = Path(advice.__file__).parent
SETTINGS = CLI.parent / "settings"


@pytest.mark.parametrize(
    ("given", "line", "command"),
    [
        ("--yes", "instance cancel 1", "osmia instance cancel 1 --yes"),
        ("--sort due", "tasks --sort duw", "osmia tasks --sort due"),
        ("--sort due", "tasks --sort=duw -q", "osmia tasks --sort due -q"),
        ("--output json", "tasks -o jsn", "osmia tasks --output json"),
        ("--output json", "tasks -ojsn", "osmia tasks --output json"),
        ("--type x   (or y)", "work a -- cmd --type b", "osmia work a --type x -- cmd --type b   (or y)"),
        ("--user NAME --groups NAME,NAME", "task claim 1", "osmia task claim 1 --user NAME --groups NAME,NAME"),
        ("--address h:1", "--token s3cret tasks --address x", "osmia --token TOKEN tasks --address h:1"),
        ("--address h:1", "tasks --token=s3cret", "osmia tasks --token=TOKEN --address h:1"),
        ("--tls-key FILE", "broker --database-url postgresql://bob:s3:c@ret@h:1/db", "osmia broker --database-url postgresql://bob@h:1/db --tls-key FILE"),
        ("--tls-key FILE", "broker --database-url=postgresql://h/db?sslmode=disable&Password=s3c", "osmia broker --database-url=postgresql://h/db --tls-key FILE"),
        ("--tls-key FILE", "broker --database-url postgresql://bob@h/db?sslmode=disable", "osmia broker --database-url 'postgresql://bob@h/db?sslmode=disable' --tls-key FILE"),
        ("--tls-key FILE", "broker --database-url postgresql://h/db?%70assword=s3c", "osmia broker --database-url postgresql://h/db --tls-key FILE"),
        ("--yes", "--address http://u:s3cret@h:1 cancel 1", "osmia --address http://u@h:1 cancel 1 --yes"),
        ("OSMIA_GRPC_PORT=1", "broker", "OSMIA_GRPC_PORT=1 osmia broker"),
        ("osmia tasks", "task claim", "osmia tasks"),
        ("osmia login --user NAME   (or x)", "tasks --address h:1", "osmia login --user NAME --address h:1   (or x)"),
        ("osmia login --user NAME   (or x)", "--address=h:1 tasks --address=http://u:s3cret@h:2", "osmia login --user NAME --address http://u@h:2   (or x)"),
        ("osmia login --user NAME", "tasks", "osmia login --user NAME"),
        ("osmia login --user NAME", "work a -- cmd --address h:1", "osmia login --user NAME"),
        ("--var NAME=VALUE", "start p --var a --var b", "--var NAME=VALUE"),  # whichever of the two is meant
        ("--var 'a={'", "start p --var 'a:={' --var b=1", "osmia start p --var 'a={' --var b=1"),
        ("--var a=1", "start p --var b=1 --var=a:=x", "osmia start p --var b=1 --var a=1"),
        ("--var a=VALUE", "start p --var b=1 -u x", "osmia start p --var b=1 -u x --var a=VALUE"),  # beside the others
        ("--var a=VALUE --var c=VALUE", "start p --var b=1", "osmia start p --var b=1 --var a=VALUE --var c=VALUE"),
        ("--var NAME=VALUE", "start p --var =1", "osmia start p --var NAME=VALUE"),
        ("--var a=1", "start p --var a=x --var a:=y", "--var a=1"),  # whichever of the two is meant
        ("--columns key", "tasks --columns nope --columns none", "osmia tasks --columns nope --columns key"),
        ("--yes", "comment " + "x" * 400, "--yes"),
        ("--yes", "process delete a\u202eb", "--yes"),  # text that a terminal shows as another
    ],
)  # fmt: skip
def test_advice_is_the_users_own_command_with_the_option(given, line, command):
    assert advice.typed(given, shlex.split(line)) == command


def test_the_short_names_are_those_of_the_commands():
    found = {}
    for command in commands():
        for one in command.params:
            names = getattr(one, "opts", [])
            short = next((name for name in names if re.fullmatch("-[a-z]", name)), None)
            for name in names:
                if name in advice.SHORT:
                    found.setdefault(name, set()).add(short)
    assert {name: short - {None} for name, short in found.items()} == {
        name: {short} for name, short in advice.SHORT.items()
    }


@pytest.mark.parametrize(
    ("line", "tried"),
    [
        ("start dinner --vars @nofile", "osmia start dinner --vars JSON"),
        ("start dinner --vars @guest.json", "osmia start dinner --vars @guests.json"),
        ("start dinner --var a:=pizza", "osmia start dinner --var a=pizza"),
        ("jobs -t", "osmia jobs --help"),
        ("tasks --timeout 0", "osmia tasks --timeout 10s"),
        ("task complete 7 --hold 5", "osmia task complete 7 --hold 5s"),
        ("job timeout 3 3", "osmia job timeout 3 3s"),
        ("task snooze 7 later", "osmia task snooze 7 2h"),
        ("task update 7 --due later", "osmia task update 7 --due 2h"),
        ("mcp --user", "osmia mcp --help"),
        ("broker --processes 2", "osmia broker --processes 1"),
        ("broker --tls-cert x", "osmia broker --tls-cert x --tls-key FILE"),
        ("broker --auth oidc", "osmia broker --auth oidc --oidc-issuer https://HOST"),
        ("completion bsh", "osmia completion bash"),
        ("tasks -o jsn", "osmia tasks --output json"),
        ("broker --host ::1 --http-port 999999", "osmia broker --host ::1 --http-port 8080"),
        ("profile add 'my prof' 'bad address'", "osmia profile add 'my prof' 127.0.0.1:26500"),
        ("run nofile", "osmia run FILE.bpmn   (there is no model in this folder)"),
        ("check guests.json", "osmia check DIR   (a data directory or a backup)"),
        ("lint nofile", "osmia lint FILE.bpmn   (there is no model in this folder)"),
        ("instance cancel 1", "osmia instance cancel 1 --yes"),
        ("instance modify 1 --move x", "osmia instance modify 1 --move decide=eat"),
        ("user add anna", "osmia user add anna --password-file FILE"),
        ("create instance dinner --variables {x", """osmia start dinner --vars '{"a": 1}'"""),
    ],
)
def test_a_mistake_is_answered_with_a_command(line, tried, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    (tmp_path / "guests.json").write_text("{}")
    if "nofile" in line:
        (tmp_path / "guests.json").unlink()
    assert run(shlex.split(line)) == 2
    lines = [one for one in capsys.readouterr().err.splitlines() if one.startswith("  try: ")]
    assert lines[0].startswith(f"  try: {tried}")
    assert len(lines) == 1


def test_a_misspelt_variable_is_renamed_without_its_value(capsys, monkeypatch):
    monkeypatch.setenv("OSMIA_DATABSE_URL", "postgresql://secret")
    assert run(["broker"]) == 2
    said = capsys.readouterr().err
    assert '  try: export OSMIA_DATABASE_URL="$OSMIA_DATABSE_URL"; unset OSMIA_DATABSE_URL' in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("address", "tried"),
    [
        ("127.0.0.1:26500", "osmia demo   (starts one here)"),
        ("localhost:26500", "osmia demo   (starts one here)"),
        ("127.0.0.1:27100", "osmia broker --grpc-port 27100   (starts one there)"),
        ("[::1]:26500", "osmia broker --host ::1   (starts one there)"),
        ("127.0.0.2:27100", "osmia broker --host 127.0.0.2 --grpc-port 27100   (starts one there)"),
    ],
)
def test_where_nobody_answers_the_command_starts_one_there(address, tried):
    from osmia_broker.cli.failures import _starting

    assert _starting(address) == tried


# --- every advice of the code

PROGRAMS = {"df", "osmia", "pip", "psql", "createdb", "pg_dump", "openssl", "chmod", "rm", "ls", "unset", "export"}
A_SETTING = re.compile(r"[a-z_]+ = ")  # a line of osmia.toml, where the mistake stands in that file


def is_typed(words: str) -> bool:
    """Whether *words* begin with a program, or with what becomes the user's own command."""
    first = words.split(" ", maxsplit=1)[0]
    return first in PROGRAMS or first.startswith(("--", "OSMIA_")) or A_SETTING.match(words) is not None


def text_of(node: ast.AST) -> str | None:
    """The text of a constant, or of an f-string with X for each of its values; None for what only a run can tell."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(one) or "X" for one in parts)
        case ast.FormattedValue():
            return "X"
    return None


def branches(node: ast.AST) -> list[ast.AST]:
    """The texts that an expression may give: both arms of a condition."""
    match node:
        case ast.IfExp(body=one, orelse=other):
            return branches(one) + branches(other)
        case ast.BoolOp(values=values):
            return [each for value in values for each in branches(value)]
    return [node]


def advice_in(source: str) -> list[ast.AST]:
    """The expressions of all advice in *source*, each arm of a condition for itself."""
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id="usage" | "ConfigError"), args=[_, mend, *_]):
                found.append(mend)
            case ast.keyword(arg="mend", value=mend):
                found.append(mend)
            case ast.Assign(targets=[ast.Attribute(attr="mend") | ast.Name(id="mend")], value=mend):
                found.append(mend)
            case ast.Yield(value=ast.Tuple(elts=[ast.Constant() | ast.JoinedStr(), hint])):  # a fault, and its mend
                found.append(hint)
    return [one for each in found for one in branches(each)]


def texts_in(source: str) -> list[str]:
    return [text for one in advice_in(source) if (text := text_of(one))]


@pytest.mark.parametrize("file", [*sorted(CLI.rglob("*.py")), SETTINGS / "rules.py", SETTINGS / "config.py"], ids=str)
def test_every_advice_in_the_code_can_be_typed(file):
    assert [text for text in texts_in(file.read_text("utf-8")) if not is_typed(text) and not text.startswith("X")] == []


#: What an advice may hold as it is: numbers, words of our own, and texts that are made of quoted ones.
UNQUOTED = {
    *("key", "batch.key", "keys[0]", "again[0].key", "stopped.key", "incident_key", "count", "settings.memory_limit", "settings.partitions", "settings.processes"),
    *("error.found", "found", "port + 1 if port < PORT_MAX else port - 1", "other", "kind", "WORDS['oidc_issuer']", "GRPC_PORT", "STATES[0]", "ORDERS[0]"),
    *("', '.join(STATES[1:])", "nearest(kind, ErrorType, likeness=0.3) or ErrorType.JOB_NO_RETRIES", "near or 'incident'", "field", "columns[0].field"),
    *("near", "near[0]", "near[1]", "path", "file[0]", "WORDS[name]"),  # commands, options and variables that Osmia has
    *("given", "words", "where", "wanted", "command", "named", "with_key"),
}  # fmt: skip


def unquoted_in(source: str) -> list[str]:
    """The values in the advice of *source* that a shell would not take as one word."""
    values = [
        ast.unparse(part.value)
        for one in advice_in(source)
        if isinstance(one, ast.JoinedStr)
        for part in one.values
        if isinstance(part, ast.FormattedValue)
    ]
    return [one for one in values if not one.startswith(("shlex.", "_flag("))]


@pytest.mark.parametrize("file", [*sorted(CLI.rglob("*.py")), SETTINGS / "rules.py"], ids=str)
def test_a_name_of_others_is_quoted_in_an_advice(file):
    assert [one for one in unquoted_in(file.read_text("utf-8")) if one not in UNQUOTED] == []


@pytest.mark.parametrize("file", sorted(CLI.parent.rglob("*.py")), ids=str)
def test_no_advice_asks_an_index_of_packages(file):
    """Osmia is on none: `osmia[mcp]` there would be of somebody else."""
    assert re.findall(r"pip install ['\"\\]*osmia\b", file.read_text("utf-8")) == []


def test_the_rule_sees_a_name_that_is_not_quoted():
    assert unquoted_in("usage('x', f'osmia start {id} {shlex.quote(name)}')") == ["id"]


def test_a_file_whose_name_a_shell_would_carry_out_is_quoted(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "$(touch p2).bpmn").write_text("")
    assert run(["run", "$(touch p)"]) == 2
    assert "  try: osmia run '$(touch p2).bpmn'\n" in capsys.readouterr().err


def test_the_advice_of_tables_can_be_typed():
    from osmia_broker.cli import app as app_module
    from osmia_broker.cli import deploy_faults, failures

    constants = [
        value for name, value in vars(failures).items() if name.endswith("_MEND") or name in ("SIGN_IN", "WHO")
    ]
    tables = [mend for _, mend in deploy_faults.REMEDIES] + [mend for _, mend in failures.SENTENCES.values()]
    assert [one for one in (*constants, *tables) if not is_typed(one)] == []
    assert len(constants) >= 5
    assert all(is_typed(one) or one.startswith("Ctrl-C") for one in app_module.OTHER_WORDS.values())


def test_the_rule_sees_what_cannot_be_typed():
    assert texts_in("usage('x', 'the same with --yes')") == ["the same with --yes"]
    assert texts_in("f(mend=f'{a} b' if c else 'set it')") == ["X b", "set it"]
    assert not is_typed("the same with --yes")
    assert not is_typed("set it")


def commands():
    """All commands of `osmia`."""
    import typer

    root = typer.main.get_command(app)
    for name in root.list_commands(None):
        command = root.get_command(None, name)
        yield command
        yield from getattr(command, "commands", {}).values()
