"""`osmia config`: show the settings of a broker that would start here, and describe all of them as a JSON Schema."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from osmia_broker.base.addresses import without_password
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.output import Column
from osmia_broker.cli.session import Session, with_session
from osmia_broker.cli.times import spelt
from osmia_broker.settings import config, sources
from osmia_broker.settings.values import size_text

app = typer.Typer(add_completion=False, help="The settings of the broker: show, schema.", no_args_is_help=True)

COLUMNS = (Column("name", "NAME"), Column("value", "VALUE", is_long=True), Column("source", "SOURCE", is_long=True))
DRAFT = "https://json-schema.org/draft/2020-12/schema"


@app.command()
@with_session
def show(
    session: Session,
    config_file: Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings as TOML.")] = None,
) -> None:
    """List every setting of a broker that starts here now: its value, and where that comes from.

    Example: osmia config show --config /etc/osmia/osmia.toml
    """
    try:
        settings = sources.explained({}, file=config_file)
    except config.ConfigError as error:
        raise Failure(Exit.USAGE, f"{error}.", mend=error.hint, code="USAGE") from error
    rows = [
        {"name": name, "value": typed(name, _open(name, value)), "source": source} for name, value, source in settings
    ]
    session.list(rows, COLUMNS, empty="")


@app.command()
@with_session
def schema(session: Session) -> None:  # noqa: ARG001 - it has the options of every command
    """Print the JSON Schema of osmia.toml, for editors and for checks of a deployment.

    Example: osmia config schema > osmia.schema.json
    """
    properties = {
        name: {"description": config.about(name), "default": typed(name, one.default), **_kind(name, one.default)}
        for name, one in config.GIVEN.items()
    }
    document = {
        "$schema": DRAFT,
        "title": "osmia.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


def _kind(name: str, default: object) -> dict[str, Any]:
    """Return the kind of a setting. A number may be written as text, too, with a unit where it has one."""
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": ["integer", "string"]}
    choices = config.choices(name)
    return {"type": "string", **({"enum": choices} if choices else {})}


def _open(name: str, value: object) -> object:
    """Return *value* as it may be shown: a URL without its password, of another secret only that there is one."""
    if not value or config.NAMES[name].repr:
        return value
    return without_password(value) if isinstance(value, str) and "://" in value else "(hidden)"


def typed(name: str, value: object) -> object:
    """Return a value of the setting *name* as a person would type it."""
    if isinstance(value, timedelta):
        return spelt(value)
    if config.is_size(name) and isinstance(value, int):
        return size_text(value)
    return str(value) if isinstance(value, Path) else value
