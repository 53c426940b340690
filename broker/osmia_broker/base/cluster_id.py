"""The id of the cluster. It is kept beside the data: made at the first start, the same ever after; in a database of PostgreSQL it is a row.

Such a broker has an id of its own in a file, too, by which the others know it.
"""

from pathlib import Path
from uuid import UUID, uuid4

FILE = "osmia.cluster-id"
BROKER_FILE = "osmia.broker-id"


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
