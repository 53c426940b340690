"""The id of the cluster is made once, and replaced only if it is damaged."""

from pathlib import Path
from uuid import UUID

import pytest

from osmia_broker.base import cluster_id


def test_the_id_is_made_once(tmp_path: Path):
    made = cluster_id.read_or_make(tmp_path)
    assert str(UUID(made)) == made
    assert cluster_id.read_or_make(tmp_path) == made
    assert [file.name for file in tmp_path.iterdir()] == [cluster_id.FILE]


def test_two_clusters_have_two_ids(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    assert cluster_id.read_or_make(tmp_path / "one") != cluster_id.read_or_make(tmp_path / "two")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff", b"\0" * 36])
def test_a_damaged_id_is_replaced(tmp_path: Path, content: bytes):
    (tmp_path / cluster_id.FILE).write_bytes(content)
    made = cluster_id.read_or_make(tmp_path)
    assert UUID(made)
    assert cluster_id.read_or_make(tmp_path) == made
