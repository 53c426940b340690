"""Generate the reference pages of the documentation site: MkDocs calls `on_files` while it builds (see mkdocs.yml).

The command line, the settings, the metrics and the REST API are read from the code, the gRPC services from the contracts, the list of
decisions from their files. Nothing generated is committed.
"""

import os
import re
from collections.abc import Iterator
from html import escape
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = {"gateway": "proto/gateway.proto", "osmia": "proto/osmia.proto"}
SHOT = re.compile(r"^!\[(?P<about>[^\]]*)\]\(shots/(?P<name>[\w-]+\.png)\)\s*$", re.MULTILINE)
NUMBERS = (
    "Numbers are given out in ranges to what is worked on side by side, so some were never used: nothing was deleted."
)
NO_SHOT = "*{about}: the picture is missing, because this site was built where there is no Chromium.*\n"


# --- what MkDocs calls


def on_files(files: Any, *, config: Any) -> Any:
    """Add the generated pages, and the screenshots that the browser tests have left in the folder OSMIA_SHOTS."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    for shot in shots():
        files.append(File.generated(config, f"shots/{shot.name}", abs_src_path=str(shot)))
    config["nav"] = [
        {"Decisions": [{"All": "reference/decisions.md"}, *({title: path} for title, path in decisions())]}
        if "Decisions" in entry
        else entry
        for entry in config["nav"]
    ]
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Say where a screenshot is missing, and leave out what is written for tests alone."""
    there = {shot.name for shot in shots()}
    text = SHOT.sub(
        lambda found: found[0] if found["name"] in there else NO_SHOT.format(about=found["about"]), markdown
    )
    return re.sub(r"^ *<!-- (not run|file): .*?-->\n", "", text, flags=re.MULTILINE)


def shots() -> list[Path]:
    """Return the screenshots of the page, if the browser tests have made some."""
    folder = os.environ.get("OSMIA_SHOTS")
    return sorted(Path(folder).glob("*.png")) if folder else []


def pages() -> dict[str, str]:
    """Return each generated page by its path."""
    return {
        "reference/cli.md": command_line(),
        "reference/settings.md": settings(),
        "reference/metrics.md": metrics(),
        "reference/rest.md": rest(),
        **{f"reference/{name}.md": contract(ROOT / path) for name, path in CONTRACTS.items()},
        "reference/decisions.md": decision_list(),
    }


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table; empty without rows."""
    if not rows:
        return ""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def plain(text: str) -> str:
    """Return *text* for Markdown: what would be markup is shown, but not within back-ticks, where nothing is."""
    return "`".join(part if number % 2 else escape(part, quote=False) for number, part in enumerate(text.split("`")))


def joined(*parts: str) -> str:
    """Join the paragraphs that are not empty."""
    return "\n\n".join(part for part in parts if part) + "\n"


# --- the command line


def command_line() -> str:
    """Describe every command."""
    import typer

    from osmia_broker.cli import app as program
    from osmia_broker.cli.session import EVERYWHERE

    root = typer.main.get_command(program.app)
    shared = [_option(one) for one in root.params if one.name != "version" and not getattr(one, "hidden", False)]
    parts = [
        "# Command line",
        "Data goes to stdout, what is said to people to stderr. These options are those of every command:",
        table(("option", ""), shared),
    ]
    for name in program.COMMANDS:
        command = root.get_command(None, name)  # type: ignore[attr-defined]  # a group
        parts += _command(command, f"osmia {name}", EVERYWHERE, level=2)
    return joined(*parts)


def _command(command: Any, name: str, everywhere: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} {name}"
    text = cleandoc(command.help or "")
    about, _, example = text.partition("\nExample: ")
    yield plain(about.strip())
    if example:
        yield f"```console\n$ {example.strip()}\n```"
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
    own = [one for one in options if getattr(one, "rich_help_panel", None) != everywhere and one.name != "help"]
    rows = [(f"`{one.metavar or one.name.upper()}`", plain(getattr(one, "help", "") or "")) for one in arguments]
    yield table(("", ""), [*rows, *(_option(one) for one in own)])
    for sub in getattr(command, "commands", {}).values():
        if not sub.hidden:
            yield from _command(sub, f"{name} {sub.name}", everywhere, level + 1)


def _option(one: Any) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in (*one.opts, *one.secondary_opts))
    form = "" if one.is_flag or not one.metavar else f" `{one.metavar}`"
    return names + form, plain(one.help or "")


# --- settings and metrics


def settings() -> str:
    """Describe every setting of the broker."""
    from osmia_broker.cli.commands.config import typed
    from osmia_broker.settings import config

    rows = []
    for name, one in config.GIVEN.items():
        default = typed(name, one.default)
        shown = (
            f"`{str(default).lower() if isinstance(default, bool) else default}`" if default not in ("", None) else ""
        )
        rows.append((f"`{name}`", shown, plain(config.about(name))))
    return joined(
        "# Settings",
        "Each setting has three spellings: the option `--grpc-port`, the variable `OSMIA_GRPC_PORT`, and the name `grpc_port` in"
        " `osmia.toml`. The first that is given counts, in this order. A secret may also come from a file: `…_file`. The file is"
        " the one of `--config` or `OSMIA_CONFIG`, else `./osmia.toml`, else `/etc/osmia/osmia.toml`. `osmia config show` prints"
        " what counts and where it comes from; `osmia config schema` is the JSON Schema of the file.",
        table(("name", "default", ""), rows),
    )


def metrics() -> str:
    """Describe every family of `/metrics`."""
    from osmia_broker.metrics import Metrics
    from osmia_broker.running.exposition import Families

    suffixes = {"counter": "_total"}
    rows = [
        (
            f"`{family.name}{suffixes.get(family.type, '')}`",
            family.type,
            ", ".join(f"`{label}`" for label in family._labelnames),
            family.documentation,
        )
        for family in Families(Metrics()).collect()
    ]
    return joined(
        "# Metrics",
        "The management port answers `/metrics` as Prometheus text, or as OpenMetrics if the scraper asks for it. A process id or"
        " job type beyond the first 200 becomes `other`. `deploy/` of the repository has a dashboard and alert rules that use these.",
        table(("name", "type", "labels", ""), rows),
    )


# --- REST


REST_ABOUT = (
    "The paths of the REST API v2 begin with `/v2` on the HTTP port, Osmia's own operations with `/osmia/v1`. A running broker has the same as"
    " `/v2/openapi.json` and `/osmia/v1/openapi.json`, and as pages at `/v2/docs` and `/osmia/v1/docs`. Refusals are problem details (RFC 9457)."
)


def rest() -> str:
    """Describe every operation of the OpenAPI document."""
    from osmia_broker import __version__
    from osmia_broker.http import api, openapi

    api.load()

    parts = ["# REST API", REST_ABOUT]
    for base, title in openapi.TITLES.items():
        document = msgspec.json.decode(openapi.document(__version__, base))
        by_tag: dict[str, list[tuple[str, str, Any]]] = {}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                by_tag.setdefault(operation["tags"][0], []).append((base + path, method.upper(), operation))
        for tag, tagged in sorted(by_tag.items()):
            parts.append(f"## {tag}" if base == openapi.BASE else f"## {title}: {tag}")
            for path, method, operation in tagged:
                parts += _operation(path, method, operation, document["components"]["schemas"])
    return joined(*parts)


def _operation(path: str, method: str, operation: Any, schemas: Any) -> Iterator[str]:
    yield f"### {(operation.get('summary') or operation['operationId']).rstrip('.')}"
    yield f"`{method} {path}`"
    yield plain(operation.get("description", ""))
    rows = [
        (f"`{one['name']}`", one["in"], _kind(one.get("schema", {})), plain(one.get("description", "")))
        for one in operation.get("parameters", [])
    ]
    content = operation.get("requestBody", {}).get("content", {})
    for media, body in content.items():
        schema = _resolved(body.get("schema", {}), schemas)
        required = schema.get("required", ())
        for name, member in schema.get("properties", {}).items():
            where = f"body ({media.split('/')[-1]})" + (", required" if name in required else "")
            rows.append((f"`{name}`", where, _kind(member), plain(member.get("description", ""))))
    yield table(("name", "in", "type", ""), rows)
    answers = operation.get("responses", {})
    yield "Answers: " + ", ".join(f"`{code}`" for code in sorted(answers)) if answers else ""


def _resolved(schema: Any, schemas: Any) -> Any:
    return schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def _kind(schema: Any) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[key]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


# --- gRPC


def contract(path: Path) -> str:
    """Describe the services and messages of a contract by its own comments."""
    text = path.read_text()
    package = re.search(r"^package (.*);$", text, re.MULTILINE)
    assert package is not None, path
    head = "\n".join(line[2:].strip() for line in text.split("syntax =")[0].splitlines() if line.startswith("//"))
    return joined(f"# gRPC: {package[1]}", plain(head), *_blocks(text.split("package ", 1)[1]))


OPTIONS = ""  # in the path: the braces behind a call
OPENED = re.compile(r"(?P<kind>service|message|enum|oneof) (?P<name>\w+) \{")
MEMBER = re.compile(r"(?P<call>rpc .*\)) \{|(?!reserved)(?P<field>[\w.<>, ]+ = \d+)")


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of each service, message and enum: its comment, and a row for each of its members."""
    comment: list[str] = []
    path: list[str] = []
    rows: list[tuple[str, ...]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        said, comment = " ".join(comment) or line.partition("// ")[2], []
        if opened := OPENED.match(line):
            yield table(("", ""), rows)
            rows = []
            path.append(opened["name"])
            yield from _heading(opened["kind"], path, said)
        elif member := MEMBER.match(line):
            rows.append((f"`{(member['call'] or member['field']).strip()}`", plain(said)))
            path += [OPTIONS] if line.endswith("{") else []
        closes = line == "}" or (opened and line.endswith("}"))  # a message may have no members
        if closes and path.pop() != OPTIONS:
            yield table(("", ""), rows)
            rows = []


def _heading(kind: str, path: list[str], said: str) -> Iterator[str]:
    if kind != "oneof":
        yield f"{'##' if kind == 'service' else '###'} {'.'.join(path)}"
        yield plain(said)


# --- decisions


def decisions() -> list[tuple[str, str]]:
    """Return title and path of each decision, in their order."""
    files = sorted((ROOT / "docs/decisions").glob("0*.md"))
    return [(path.read_text().splitlines()[0].removeprefix("# "), f"decisions/{path.name}") for path in files]


def decision_list() -> str:
    """List the decisions."""
    return joined(
        "# Decisions",
        "Why things are as they are: context, choice, cost, and what would change our mind.",
        NUMBERS,
        "\n".join(f"- [{title}](../{path})" for title, path in decisions()),
    )
