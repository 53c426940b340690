"""The command line `osmia`: a file in `commands/` per command, loaded only when it is called.

This file imports nothing but the standard library, because the thin SDK installs the script too. `app` lists the commands,
`session` holds what all of them share (address, output, errors), `output` prints lists, `streams` guards standard output.
"""

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Carry out the command line of this process, and end the process with its exit code.

    The modules that it needs are imported inside the `try`: a Ctrl-C during an import ends the command as at any other time.
    """
    try:
        code = _ended()
    except KeyboardInterrupt:
        code = INTERRUPTED
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while Python ends, another Ctrl-C would show a traceback
    sys.exit(code)


def _ended() -> int:
    """Carry out the command line, deliver its output, and return the exit code."""
    from osmia_broker.cli import streams

    streams.prepare()
    # The core of gRPC would log on stderr, for example a refused certificate. Our errors say it in words.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    code = 0
    try:
        code = _carry_out(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    except OSError:
        if streams.output_error() is None:  # it was another file
            raise
    return _delivered(code)


def _carry_out(arguments: list[str]) -> int:
    if arguments == ["--version"]:  # before Typer, because its import takes longer than this answer
        from osmia_broker import __version__

        sys.stdout.write(f"osmia {__version__}\n")
        return 0
    try:
        if arguments[:1] == ["broker"]:  # before Typer, because its memory would stay as long as the broker runs
            from osmia_broker.cli import failures, foreground

            if (given := foreground.plain(arguments[1:])) is not None:
                return failures.carried_out(lambda: foreground.run(given), arguments)
        from osmia_broker.cli.app import run

        return run(arguments)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("osmia_broker", "osmia", "osmia_proto"):
            raise
        from osmia_broker.cli import streams

        streams.say(
            f"Error: The command line needs packages that are not installed ({error.name}).\n"
            "  try: pip install '.[broker]'   (in a checkout of Osmia)"
        )
        return 2


def _delivered(code: int) -> int:
    """Write out what is still buffered, and return the exit code: *code*, or 1 when the output could not be written."""
    from osmia_broker.cli import streams

    error = streams.output_error()
    if error is None:
        return code
    streams.discard_output()
    if isinstance(error, BrokenPipeError):
        return code
    from osmia_broker.cli import failures

    return failures.report(failures.unwritten(error), sys.argv[1:])
