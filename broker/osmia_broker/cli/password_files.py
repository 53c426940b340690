"""Passwords that come from a file or from standard input."""

import sys
from pathlib import Path

from osmia_broker.base import text_files
from osmia_broker.base.system_errors import in_words
from osmia_broker.cli.failures import usage

PASSWORD_BYTES_MAX = 8_192


def first_line(file: str) -> str:
    """Return the first line of *file*, or of standard input for `-`.

    Raises:
        Failure: it cannot be read, or is not UTF-8.
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(PASSWORD_BYTES_MAX)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(PASSWORD_BYTES_MAX)
        return text_files.decoded(content).split("\n", 1)[0].removesuffix("\r")
    except OSError as error:
        raise usage(f"Expected to read the password from '{file}', but found: {in_words(error)}.") from error
    except UnicodeDecodeError as error:
        raise usage("Expected a password in UTF-8, but found bytes that are not.") from error
