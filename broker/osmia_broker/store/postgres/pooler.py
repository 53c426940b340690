"""A pooler between broker and server: one that keeps a session for each connection is as good as none, and any other is refused.

The connections of a broker have settings of the session, and the path to the tables of a partition is one of them. A pooler in transaction mode
gives each transaction whichever session is free, so rows of one partition could be written into the tables of another.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

ROUNDS = 3  # others may use the same pool; each round shows it if nobody disturbs that one
_PID = "SELECT pg_backend_pid()"
#: A statement that was prepared in another session, and one that is there already.
_MIXED = ("26000", "42P05")
_STATEMENT_MODE = "transaction blocks not allowed"  # it ends the connection, too


def is_between(connection: "asyncpg.Connection", pid: int) -> bool:
    """Whether a pooler has answered in the place of the server, whose process for this *connection* is *pid*."""
    return int(connection.get_server_pid()) != pid


def is_mix_up(error: BaseException) -> bool:
    """Whether *error* comes from statements of one connection that met several sessions."""
    return str(getattr(error, "sqlstate", "")) in _MIXED or _STATEMENT_MODE in str(error)


async def keeps_sessions(one: "asyncpg.Connection", other: "asyncpg.Connection") -> bool:
    """Whether each of two connections to a pooler has a session of its own.

    While one is idle, the other begins a transaction: a pooler that mixes them gives it the session that was free last, which is that of the first
    one, or the first one gets another when it comes back.
    """
    try:
        for _ in range(ROUNDS):
            if await _are_mixed_up(one, other):
                return False
    except Exception as error:
        if is_mix_up(error):
            return False
        raise
    return True


async def _are_mixed_up(one: "asyncpg.Connection", other: "asyncpg.Connection") -> bool:
    before = await one.fetchval(_PID)
    async with other.transaction():
        return bool(await other.fetchval(_PID) == before or await one.fetchval(_PID) != before)
