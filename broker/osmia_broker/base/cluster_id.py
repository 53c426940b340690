"""The id of the cluster. It is kept beside the data: made at the first start, the same ever after; brokers that share a database have one together."""

from pathlib import Path
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

FILE = "osmia.cluster-id"


def read_or_make(data_dir: Path, name: str = FILE) -> str:
    """Return the id in the file *name* of *data_dir*. A missing or damaged one is replaced: no data depend on it.

    Raises:
        OSError: it cannot be written.
    """
    file = data_dir / name
    try:
        return str(UUID(file.read_text("ascii").strip()))
    except (FileNotFoundError, ValueError):
        made = str(uuid4())
    draft = data_dir / (name + ".new")
    draft.write_text(made + "\n", "ascii")
    draft.replace(file)
    return made


def named(name: str) -> str:
    """Return the id of the cluster with this *name*: the same for each of the brokers that share one database."""
    return str(uuid5(NAMESPACE_OID, name))
