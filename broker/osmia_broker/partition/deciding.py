"""Decide one command against memory, and write the outcome into a batch."""

import logging
from time import perf_counter

from osmia_broker.base.errors import Defect, Rejection
from osmia_broker.engine import Turn, UndoFailed, execute
from osmia_broker.engine.audit import name_of
from osmia_broker.engine.commands import Command
from osmia_broker.engine.parts import GoesOn
from osmia_broker.metrics import PartitionCounters
from osmia_broker.partition.batch import NOTHING, Batch, Blocked, Decided, Waiter
from osmia_broker.partition.clock import Clock
from osmia_broker.state.missing import Missing
from osmia_broker.state.store_protocol import Wanted

log = logging.getLogger(__name__)


class Deciding:
    """Decides the commands of one life of a partition's memory."""

    __slots__ = ("_clock", "_counters", "_turn")

    def __init__(self, turn: Turn, clock: Clock, counters: PartitionCounters) -> None:
        self._turn, self._clock, self._counters = turn, clock, counters

    def attempt(
        self,
        batch: Batch,
        command: Command,
        waiter: Waiter,
        wanted: Wanted = NOTHING,
        arrived_s: float = 0,
        *,
        is_call: bool = False,
    ) -> None:
        """Decide *command* now, or block it until its rows are loaded, or until others were served if it goes on in parts.

        It also wants again what it *wanted* before; otherwise two instances that evict each other could block it for ever.

        Raises:
            UndoFailed: memory is broken and must be dropped.

        """
        name = name_of(command)
        begun_s = perf_counter()
        arrived_s = arrived_s or begun_s
        batch.calls += is_call
        try:
            answer = execute(self._turn, command, self._clock.now_ms())
        except Missing as missing:
            wanted = missing.wanted if wanted is NOTHING else wanted.to_keep() | missing.wanted
            batch.calls -= is_call
            batch.blocked.append(Blocked(command, waiter, wanted, arrived_s, is_call))
            return
        except GoesOn:
            batch.calls -= is_call
            batch.blocked.append(Blocked(command, waiter, wanted.to_keep(), arrived_s, is_call))
            return
        except Rejection as refusal:
            refusal.intent = command.intent
            self._counters.commands.add(name, "rejected")
            batch.decided.append(Decided(command, waiter, refusal=refusal))
            return
        except UndoFailed as broken:
            log.exception("undo failed", extra={"command": name})
            batch.decided.append(Decided(command, waiter, refusal=Defect(name, broken)))
            raise
        except Exception as defect:
            log.exception("command failed", extra={"command": name})
            batch.decided.append(Decided(command, waiter, refusal=Defect(name, defect)))
            return
        self._counters.accepted(name, perf_counter() - begun_s)
        batch.arrivals.append(arrived_s)
        batch.decided.append(Decided(command, waiter, answer))
        if self._turn.results:
            batch.results += self._turn.take_results()
        if self._turn.events:
            batch.events += self._turn.take_events()

    def attempt_again(self, batch: Batch, blocked: Blocked) -> None:
        """Decide a command whose rows were loaded."""
        it = blocked
        self.attempt(batch, it.command, it.waiter, it.wanted, it.arrived_s, is_call=it.is_call)
