"""Keep the id of the cluster beside its data: made at the first start, the same ever after."""

from pathlib import Path
from uuid import UUID, uuid4

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
