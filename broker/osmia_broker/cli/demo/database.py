"""The database of the demo with two brokers: a server of PostgreSQL from the Python package `embedded-postgres`, for as long as the demo runs."""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from osmia_broker.base import embedded_postgres
from osmia_broker.base.embedded_postgres import EmbeddedPostgres, NotStarted
from osmia_broker.cli.failures import Exit, Failure

MEND = "pip install '.[cluster]'   (in a checkout; or: osmia demo --cluster --database-url postgresql://USER@HOST/DATABASE)"
WORDS_MAX = 5  # lines of what a server said last


@contextmanager
def database() -> Iterator[str]:
    """Start a server with a new database; give its URL. It ends with the `with`, and leaves nothing behind.

    Raises:
        Failure: there is none, or it does not start.
    """
    folder = embedded_postgres.programs()
    if folder is None or importlib.util.find_spec("asyncpg") is None:
        raise Failure(
            Exit.REFUSED,
            "Expected PostgreSQL for two brokers, but found none.",
            why="The Python packages embedded-postgres and asyncpg bring it.",
            mend=MEND,
            code="DATABASE",
        )
    server = EmbeddedPostgres(folder)
    try:
        server.create()
        server.start()
        yield server.url()
    except NotStarted as failure:
        last = "\n".join(str(failure).strip().splitlines()[-WORDS_MAX:])
        raise Failure(Exit.REFUSED, "PostgreSQL did not start.", why=last, mend=MEND, code="DATABASE") from failure
    finally:
        server.stop()
