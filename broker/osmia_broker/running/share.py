"""The share of one process in the work of a broker that has several."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Share:
    """The share of *process*, one of *processes*, both from 1. Every N-th partition is led by the same process; the first one by the first.

    On a database that several brokers can reach, leases decide (*by_lease*), and each may lead any.
    """

    process: int = 1
    processes: int = 1
    shares_ports: bool = False  # the doors of all processes are at the same ports
    by_lease: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether there is no other process."""
        return self.processes == 1

    @property
    def number(self) -> int:
        """The number by which the other processes know this one; 0 if there is none."""
        return 0 if self.is_whole else self.process

    def process_of(self, partition: int) -> int:
        """Return the process that leads a partition."""
        return (partition - 1) % self.processes + 1

    def leads(self, partition: int) -> bool:
        """Return whether this process leads a partition, or may lead it."""
        return self.by_lease or self.process_of(partition) == self.process

    def others(self) -> list[int]:
        """Return the other processes."""
        return [number for number in range(1, self.processes + 1) if number != self.process]

    def folder(self, data_dir: Path) -> Path:
        """Return the folder where this process publishes its ports."""
        return data_dir if self.is_whole else data_dir / f"process-{self.process}"

    def socket(self, data_dir: Path, process: int) -> Path:
        """Return the socket at which a process takes links from the others."""
        return data_dir / f"process-{process}" / "links.sock"


WHOLE = Share()
