import pytest

from osmia_broker.cli.failures import Failure
from osmia_broker.cli.model_files import found, read, resources_of


@pytest.fixture
def folder(tmp_path):
    strangers = (".venv/e.bpmn", ".git/f.bpmn", "node_modules/x/g.bpmn", "lib/site-packages/h.bpmn")
    for name in (
        "b.bpmn",
        "a.bpmn",
        "d.dmn",
        "notes.txt",
        "sub/c.form",
        "sub/a-extensions.json",
        "own.json",
        *strangers,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
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
        (["*/*.form"], ["sub/c.form"]),
        (["**/*.form"], ["sub/c.form"]),
    ],
)
def test_files_directories_and_patterns(folder, given, files):
    assert [str(path.relative_to(folder)) for path in found([str(folder / name) for name in given])] == files


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("none.bpmn", "There is no file '{}'."),
        ("*.xyz", "There is no file that '{}' means."),
        ("nowhere/", "There is no file '{}'."),
        ("/dev/null", "Expected a file, but '/dev/null' is a device or a pipe."),
        ("empty/", "There is no model in the directory '{}', nor in those below."),
    ],
)
def test_a_name_without_a_file_is_refused(folder, name, what):
    (folder / "empty").mkdir()
    with pytest.raises(Failure) as refused:
        found([str(folder / name)])
    assert refused.value.what == what.format(folder / name)


def test_files_are_known_by_their_names_and_a_copy_is_left_out(tmp_path):
    for name, content in {"x/a.bpmn": "1", "y/a.bpmn": "1", "x/b.bpmn": "2", "y/deep/b.bpmn": "3"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    resources = read(found([str(tmp_path)]))
    assert resources == [("a.bpmn", b"1"), ("x/b.bpmn", b"2"), ("y/deep/b.bpmn", b"3")]


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(Failure, match="Expected to read"):
        read([tmp_path / "gone.bpmn"])


@pytest.mark.parametrize("given", [".", "dinner.*", "nothing/"])
def test_a_link_to_a_file_that_is_not_there_is_left_out(tmp_path, given):
    (tmp_path / "nothing").mkdir()
    for link in ("dinner.bpmn", "nothing/lunch.bpmn"):
        (tmp_path / link).symlink_to(tmp_path / "gone.bpmn")
    (tmp_path / "dinner.form").write_text("{}")
    said: list[str] = []
    names = [str(tmp_path / given)]
    if given == "nothing/":
        with pytest.raises(Failure, match=r"lunch\.bpmn' is a link to a file that is not there"):
            resources_of(names, "osmia lint", said.append)
    else:
        assert resources_of(names, "osmia lint", said.append) == [("dinner.form", b"{}")]
        left_out = [
            f"Warning: '{tmp_path / 'dinner.bpmn'}' is a link",
            f"Warning: '{tmp_path / 'nothing/lunch.bpmn'}' is a link",
        ]
        assert [one.partition(" to a file")[0] for one in said] == (left_out if given == "." else [])


def test_a_link_that_is_named_must_lead_to_a_file(tmp_path):
    (tmp_path / "dinner.bpmn").symlink_to(tmp_path / "gone.bpmn")
    (tmp_path / "loop.bpmn").symlink_to(tmp_path / "loop.bpmn")
    for name in ("dinner.bpmn", "loop.bpmn"):
        with pytest.raises(Failure, match=r"\.bpmn' is a link to a file that is not there") as failure:
            found([str(tmp_path / name)])
        assert failure.value.mend.startswith("osmia deploy FILE.bpmn "), "not the command that has just failed"


def test_an_empty_directory_with_the_name_of_a_model_is_no_advice(tmp_path):
    (tmp_path / "dinner.bpmn").mkdir()
    with pytest.raises(Failure, match="There is no model in the directory") as failure:
        found([str(tmp_path / "dinner.bpmn")])
    assert failure.value.mend.startswith("osmia deploy FILE.bpmn ")
    (tmp_path / "diner.bpmn").write_text("x")
    with pytest.raises(Failure) as failure:
        found([str(tmp_path / "dinner.bpmn")])
    assert failure.value.mend == f"osmia deploy {tmp_path / 'diner.bpmn'}"
