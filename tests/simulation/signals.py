"""Signals in an imagined cluster: instances that listen all the time, broadcasts, and the judge of what each has heard.

Each try of a broadcast has a mark of its own. An instance that listened before has heard it once, if it was acknowledged; and those of one partition
are heard in another one in the order in which they were broadcast.
"""

from osmia_broker.base.errors import AlreadyExists
from osmia_broker.engine import commands
from osmia_broker.state.partitioning import partition_of_key
from osmia_broker.state.rows import Variable
from tests.partition.opened import deploy
from tests.simulation.clients import Clients, Unknown
from tests.simulation.virtual import passing

MODEL = deploy(
    'start > stay:catch(message=over, key="=l") > end & heard:eventsub { go:start(signal=s, interrupting=false) > note:task(in.heard="=mark") > done:end }',
    id="listener",
)
KEEP_MS = 10**12  # a message, longer than any run


class Signals:
    """Who listens, and what was broadcast."""

    def __init__(self, clients: Clients) -> None:
        self.clients, self.chance = clients, clients.chance
        self.listens_s: dict[int, float] = {}  # since when a process instance does for certain
        self.listeners: list[str] = []  # the keys by which they are told to end
        self.sent_s: dict[str, float] = {}  # when each broadcast was sent, by its mark
        self.keys: dict[str, int] = {}  # of those that were acknowledged

    async def listen(self, number: int) -> None:
        """Begin to listen."""
        name = f"l{number}"
        self.listeners.append(name)
        command = commands.CreateProcessInstance("listener", -1, 0, {"l": f'"{name}"'}, idempotency_key=name)
        made = await self.clients.send_until_known(command)
        self.clients.say(f"{name} listens as {made.process_instance_key}")
        self.listens_s[made.process_instance_key] = self.clients.now_s

    async def broadcast(self, begins_s: float) -> None:
        """Broadcast a signal, until that is acknowledged: each time as another one."""
        await passing(begins_s)
        while True:
            mark = f"s{len(self.sent_s)}"
            self.sent_s[mark] = self.clients.now_s
            try:
                self.keys[mark] = await self.clients.send(commands.BroadcastSignal("s", {"mark": f'"{mark}"'}))
            except Unknown:
                await self.clients.pause()
            else:
                self.clients.say(f"signal {mark} is broadcast")
                return

    async def end(self) -> None:
        """Let nobody listen any more."""
        for name in self.listeners:
            try:
                await self.clients.send_until_known(commands.PublishMessage("over", name, KEEP_MS, name, {}))
            except AlreadyExists:
                continue

    def judge(self) -> None:
        """Judge what each has heard."""
        heard: dict[int, dict[str, int]] = {one: {} for one in self.listens_s}  # the key of its note, by mark
        for row in self.clients.rows(Variable):
            if row.name == "heard":
                marks, mark = heard[row.process_instance_key], row.value.strip('"')
                assert mark not in marks, f"{row.process_instance_key} has heard {mark} twice"
                marks[mark] = row.scope_key
        for instance, marks in heard.items():
            self._judge(instance, marks)

    def _judge(self, instance: int, marks: dict[str, int]) -> None:
        for mark in self.keys:
            if self.sent_s[mark] > self.listens_s[instance]:
                assert mark in marks, f"{instance} has not heard {mark}, which was broadcast while it listened"
        of_partition: dict[int, list[tuple[int, int]]] = {}
        for mark, scope_key in marks.items():
            if key := self.keys.get(mark):
                of_partition.setdefault(partition_of_key(key), []).append((key, scope_key))
        for some in of_partition.values():
            in_order = [scope_key for _, scope_key in sorted(some)]
            assert in_order == sorted(in_order), (
                f"{instance} has heard signals of one partition in another order: {some}"
            )
