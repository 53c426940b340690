import pytest

from osmia_broker.cli.deploy import found
from osmia_broker.cli.failures import Failure


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.bpmn", "a.bpmn", "d.dmn", "notes.txt", "sub/c.form", "sub/a-extensions.json", "own.json"):
        (tmp_path / name).write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "files"),
    [
        (["a.bpmn"], ["a.bpmn"]),
        (["."], ["a.bpmn", "b.bpmn", "d.dmn", "sub/a-extensions.json", "sub/c.form"]),
        (["*.bpmn"], ["a.bpmn", "b.bpmn"]),
        (["b.bpmn", "*.bpmn"], ["b.bpmn", "a.bpmn"]),
        (["notes.txt"], ["notes.txt"]),
    ],
)
def test_files_directories_and_patterns(folder, given, files):
    assert [str(path.relative_to(folder)) for path in found([str(folder / name) for name in given])] == files


@pytest.mark.parametrize("name", ["none.bpmn", "*.xyz", "nowhere/"])
def test_a_name_without_a_file_is_refused(folder, name):
    with pytest.raises(Failure, match="There is no file to deploy"):
        found([str(folder / name)])
