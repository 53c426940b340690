"""The command line `osmia`: one file per command, loaded only when it is called.

This file starts it and imports nothing but the standard library, because the thin SDK installs the script too. `app` lists the
commands, `session` holds what all of them share (address, output, errors), `output` prints lists.
"""

import sys


def main() -> None:
    """Run the command line with the arguments of this process, and end the process with its exit code."""
    if sys.argv[1:] == ["--version"]:  # before Typer, which takes longer to import than this takes to answer
        from osmia_broker import __version__

        sys.stdout.write(f"osmia {__version__}\n")
        return
    try:
        from osmia_broker.cli.app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("osmia_broker", "osmia", "osmia_proto"):
            raise
        sys.stderr.write(
            f"Error: The command line needs packages that are not installed ({error.name}).\n"
            '  try: pip install "osmia[broker]"\n'
        )
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))
