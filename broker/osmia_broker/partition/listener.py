"""The calls that a partition makes to the parts that stand on it."""

from collections.abc import Mapping

from osmia_broker.errors import OsmiaError


class Listener:
    """Something that follows a partition. Every method does nothing until a subclass needs it."""

    def jobs_activatable(self, keys: Mapping[str, list[int]]) -> None:
        """Report the keys of new activatable jobs by type, just before the batch closes; commands decided here join the batch."""

    def result_ready(self, ticket: int, variables: str) -> None:
        """Report the result of a process instance, a JSON object, after the commit that completed the instance."""

    def result_lost(self, ticket: int, error: OsmiaError) -> None:
        """Report that the result for *ticket* will never come."""

    def partition_opened(self) -> None:
        """Report that the partition takes commands, after its first and every later opening."""
