"""A backup of a broker under load: what was acknowledged before it is in it, and a broker goes on from it."""

import threading
from pathlib import Path

import pytest

from osmia import SyncClient
from osmia_broker.running.child import ChildBroker
from tests.bpmn import bpmn
from tests.process.program import osmia
from tests.running_broker import running_broker

pytestmark = pytest.mark.process


def test_a_broker_under_load_is_copied_and_a_new_one_goes_on_from_the_copy(tmp_path: Path):
    acknowledged, is_over = [], threading.Event()
    with ChildBroker(tmp_path / "data") as broker, SyncClient(broker.address) as client:
        client.deploy(("p.bpmn", bpmn("start > ask:user > end", id="p")))

        def load() -> None:
            while not is_over.is_set():
                acknowledged.append(client.create_instance("p", {"n": len(acknowledged)}).key)

        thread = threading.Thread(target=load)
        thread.start()
        try:
            while len(acknowledged) < 50:
                is_over.wait(0.01)
            before = list(acknowledged)
            done = osmia("backup", tmp_path / "copy", "--data-dir", tmp_path / "data", "-o", "key")
            after = len(acknowledged)
            while len(acknowledged) <= after:  # it goes on
                is_over.wait(0.01)
        finally:
            is_over.set()
            thread.join()
        assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'copy'}\n"), done.stderr
        again = osmia("backup", tmp_path / "again", "--data-dir", tmp_path / "data")
        assert again.stdout.startswith(f"Copied '{tmp_path / 'data'}' to '{tmp_path / 'again'}': "), again.stderr
        assert osmia("check", tmp_path / "copy").returncode == 0
        assert osmia("check", tmp_path / "data").returncode == 0
        taken = osmia("restore", tmp_path / "copy", "--data-dir", tmp_path / "data")
        assert (taken.returncode, "to be empty" in taken.stderr) == (5, True)
    done = osmia("restore", tmp_path / "copy", "--data-dir", tmp_path / "new", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert f"Start a broker on it: osmia broker --data-dir {tmp_path / 'new'}\n" in done.stderr
    with ChildBroker(tmp_path / "new") as broker, SyncClient(broker.address) as client:
        found, after = set(), ""
        while True:
            page = client.search_instances(bpmn_process_id="p", states=["ACTIVE"], limit=1000, after=after)
            found |= {one.key for one in page.items}
            after = page.next
            if not after:
                break
        assert set(before) <= found <= set(acknowledged)
        task = client.user_tasks.search({"processInstanceKey": str(before[0])}).items[0]
        client.user_tasks.complete(task.key, {})
        assert client.create_instance("p", {}).key not in found


def test_a_wrong_call_says_what_is_wrong_and_what_to_try(tmp_path: Path):
    missing = osmia("backup", tmp_path / "copy", "--data-dir", tmp_path / "none")
    assert missing.returncode == 4
    assert missing.stderr.startswith("Error: Expected a database in")
    assert "  try: osmia backup TARGET --data-dir DIR" in missing.stderr
    (tmp_path / "rows-elsewhere").mkdir()
    (tmp_path / "rows-elsewhere" / "osmia.broker-id").touch()  # what a broker on PostgreSQL leaves in its directory
    elsewhere = osmia("backup", tmp_path / "copy", "--data-dir", tmp_path / "rows-elsewhere")
    assert (elsewhere.returncode, "  try: pg_dump URL > FILE   (its rows" in elsewhere.stderr) == (4, True)
    assert osmia("check", tmp_path).returncode == 4
    assert osmia("restore", tmp_path, "--data-dir", tmp_path / "new").returncode == 4
    without = osmia("backup")
    assert (without.returncode, "OSMIA_BACKUP_DIR" in without.stderr) == (2, True)


def test_a_backup_without_a_name_is_made_where_the_setting_says(tmp_path: Path):
    with running_broker(tmp_path / "data"):
        place = tmp_path / "backups"
        done = osmia("backup", "--data-dir", tmp_path / "data", "-o", "key", OSMIA_BACKUP_DIR=str(place))
    assert done.returncode == 0, done.stderr
    [made] = place.iterdir()
    assert done.stdout.strip() == str(made)
    assert made.name.startswith("osmia-20")
    assert osmia("check", made).returncode == 0
