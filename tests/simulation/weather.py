"""Bad weather over an imagined cluster, by seed: what happens to brokers, paths, database and clocks, and how each of it ends again."""

import random
from collections.abc import Callable

from tests.simulation.brokers import Cluster, SimulatedBroker
from tests.simulation.network import Path
from tests.simulation.virtual import passing

PAUSE_S = (0.2, 3.0)  # between two events
LASTS_S = (0.5, 12.0)  # an event
AWAY_S = (0.2, 8.0)  # the database
ALONE_S = (6.0, 20.0)  # a broker: so long that others lead what it led
STEP_MS = 40_000  # by which a clock is set at most
LOST_ANSWERS = 0.2  # of all, while answers are lost
SHARE = 0.6  # of all deeds that a run has
DEEDS = {  #: the names of the methods below, and how often each happens among the others
    "kill": 2,
    "vanish": 1,
    "pause": 3,
    "leave": 2,
    "cut": 2,
    "cut_one_way": 2,
    "slow": 2,
    "break_links": 2,
    "database_away": 1,
    "database_stuck": 1,
    "lose_answers": 2,
    "set_clock": 2,
    "steal": 3,
    "isolate": 1,
}


class Weather:
    """Plays events over *cluster* until it is told to be fair. *say* notes what happens."""

    def __init__(
        self, cluster: Cluster, chance: random.Random, say: Callable[[str], None], deeds: tuple[str, ...] = ()
    ) -> None:
        self.cluster, self.chance, self.say = cluster, chance, say
        self._loop = cluster.loop
        self._ends: list[tuple[float, int, Callable[[], None]]] = []  # of events that last
        self._number = 0
        self.stopped: set[str] = set()
        names = deeds or self._some_names()
        self._deeds = [getattr(self, name) for name in names for _ in range(DEEDS[name])]
        say(f"the weather is made of {', '.join(names)}")

    def _some_names(self) -> list[str]:
        """Choose about half of all deeds: what one kind of weather would hide comes to light in the runs without it."""
        chosen = [name for name in DEEDS if self.chance.random() < SHARE]
        return chosen if len(chosen) > 1 else [*DEEDS]

    async def rage(self, for_s: float) -> None:
        """Play events for so long, and then let each end."""
        until_s = self._loop.time() + for_s
        while (now_s := self._loop.time()) < until_s:
            self._end_those_until(now_s)
            self.chance.choice(self._deeds)()
            await passing(self.chance.uniform(*PAUSE_S))
        self._end_those_until(float("inf"))
        self.cluster.network.mend()
        self.say("fair weather")

    def _end_those_until(self, now_s: float) -> None:
        for end in sorted(self._ends):
            if end[0] <= now_s:
                self._ends.remove(end)
                end[2]()

    def _later(self, lasts: tuple[float, float], end: Callable[[], None]) -> None:
        self._number += 1
        self._ends.append((self._loop.time() + self.chance.uniform(*lasts), self._number, end))

    def _some(self) -> SimulatedBroker | None:
        able = [one for one in self.cluster.up if one.name not in self.stopped]
        return self.chance.choice(able) if len(able) > 1 else None

    def _some_path(self) -> Path:
        one, other = self.chance.sample(self.cluster.names, 2)
        return one, other

    # --- brokers

    def kill(self) -> None:
        """Kill a broker; its machine says so."""
        self._kill(is_silent=False)

    def vanish(self) -> None:
        """Take the power from a broker; nobody is told."""
        self._kill(is_silent=True)

    def _kill(self, *, is_silent: bool) -> None:
        if broker := self._some():
            self.say(f"{broker.name} {'vanishes' if is_silent else 'is killed'}, and leads {broker.led}")
            broker.kill(is_silent=is_silent)
            self._begin_again(broker.name)

    def _begin_again(self, name: str) -> None:
        def start() -> None:
            if name in self.cluster.brokers:  # it has not left yet
                self._later(LASTS_S, start)
            else:
                self.cluster.start_again(name)

        self._later(LASTS_S, start)

    def leave(self) -> None:
        """Stop a broker in good order."""
        if broker := self._some():
            self.say(f"{broker.name} leaves, and leads {broker.led}")
            broker.leave()
            self._begin_again(broker.name)

    def pause(self) -> None:
        """Stop a broker where it stands, and let it go on later."""
        if broker := self._some():
            self.say(f"{broker.name} is stopped, and leads {broker.led}")
            broker.machine.stop()
            self.stopped.add(broker.name)

            def go_on() -> None:
                self.say(f"{broker.name} goes on")
                self.stopped.discard(broker.name)
                broker.machine.go_on()

            self._later(LASTS_S, go_on)

    def steal(self) -> None:
        """Let a broker believe that it is its turn to lead a partition that another one leads."""
        if (thief := self._some()) is None:
            return
        number = self.chance.choice([*thief.parts])
        row = self.cluster.database.tables.leases[number]
        if row.owner == thief.name:
            return
        self.say(f"{thief.name} takes partition {number} from '{row.owner}'")

        async def take() -> None:
            thief.leases[number].want(row.epoch)
            thief.parts[number].look()

        thief.do(take())

    def set_clock(self) -> None:
        """Set the clock of a machine."""
        if broker := self._some():
            self.cluster.set_clock(broker, self.chance.randint(-STEP_MS, STEP_MS))
            self.say(f"the clock of {broker.name} is set to be {broker.wall.ahead_ms} ms ahead")

    # --- paths

    def cut(self) -> None:
        """Cut the path between two, both ways."""
        one, other = self._some_path()
        self._cut([(one, other), (other, one)])

    def cut_one_way(self) -> None:
        """Cut one direction: one of the two hears nothing more."""
        self._cut([self._some_path()])

    def _cut(self, paths: list[Path]) -> None:
        network = self.cluster.network
        self.say(f"cut: {paths}")
        for path in paths:
            network.cut(path)

        def heal() -> None:
            self.say(f"healed: {paths}")
            for path in paths:
                network.heal(path)

        self._later(LASTS_S, heal)

    def isolate(self) -> None:
        """Cut a broker off from the database and all other brokers, one at a time; clients reach it still."""
        broker = self._some()
        database, network = self.cluster.database, self.cluster.network
        if broker is None or database.cut_off:
            return
        name = broker.name
        paths = [path for other in self.cluster.names if other != name for path in ((name, other), (other, name))]
        self.say(f"{name} is alone, and leads {broker.led}")
        database.cut_off.add(name)
        for path in paths:
            network.cut(path)

        def heal() -> None:
            self.say(f"{name} is alone no longer")
            database.cut_off.discard(name)
            for path in paths:
                network.heal(path)

        self._later(ALONE_S, heal)

    def slow(self) -> None:
        """Let one direction take long."""
        path = self._some_path()
        self.say(f"slow: {path}")
        self.cluster.network.slow(path)
        self._later(LASTS_S, lambda: self.cluster.network.heal(path))

    def break_links(self) -> None:
        """Reset the connections between two."""
        path = self._some_path()
        self.say(f"broken: {path}")
        self.cluster.network.break_some(path)

    # --- the database

    def database_away(self) -> None:
        """Let nobody reach the database."""
        database = self.cluster.database
        if not database.is_away:
            self.say("the database is away")
            database.go_away()

            def back() -> None:
                self.say("the database is back")
                database.come_back()

            self._later(AWAY_S, back)

    def database_stuck(self) -> None:
        """Let the database answer nothing."""
        database = self.cluster.database
        if not database.is_stuck:
            self.say("the database is stuck")
            database.is_stuck = True

            def back() -> None:
                self.say("the database goes on")
                database.is_stuck = False

            self._later(AWAY_S, back)

    def lose_answers(self) -> None:
        """Let answers of the database be lost."""
        database = self.cluster.database
        self.say("answers of the database are lost")
        database.losing = LOST_ANSWERS
        self._later(LASTS_S, lambda: setattr(database, "losing", 0.0))
