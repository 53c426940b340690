"""The schemas of the partitions: each has one of its own, with all tables, and the names of the tables are the same in all.

Partition 1 has the schema that a connection finds first, as the only partition of a database always had it. Partition 3 beside `public` has
`public_partition_3`. The leases of all partitions are in the table `partition` of the first schema; those of the others stay empty.
"""

from osmia_broker.base.errors import StoreFailed

_NAME_BYTES_MAX = 63  # the server cuts a longer name off, and two partitions would have the same


def schema_of(first: str, partition: int) -> str:
    """Return the schema of a partition, beside the *first* one.

    Raises:
        StoreFailed: its name would be too long.

    """
    if partition == 1:
        return first
    name = f"{first}_partition_{partition}"
    if len(name.encode()) > _NAME_BYTES_MAX:
        raise StoreFailed(
            f"Expected a schema whose name leaves room for '_partition_{partition}', but found '{first}': names have at most"
            f" {_NAME_BYTES_MAX} bytes"
        )
    return name


def quoted(name: str) -> str:
    """Return the name of a schema as it stands in statements."""
    return '"' + name.replace('"', '""') + '"'
