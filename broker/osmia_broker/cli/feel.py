"""`osmia feel`: evaluate an expression as the broker would, with a caret under a fault."""

import sys
from typing import Annotated

import typer

from osmia_broker.cli import variables as typed
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.cli.options import Var, Vars
from osmia_broker.cli.session import Session, with_session

app = typer.Typer()
