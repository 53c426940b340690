"""The map of the code names folders and modules that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BROKER = ROOT / "broker" / "osmia_broker"
ENTRY = re.compile(r"^ {2}((?:[\w/]+(?:/|\.py) *)+)(.*)$")
# door (what it does), serving.py, api/
MODULE = re.compile(r"((?:\w+/)*\w+\.py)\b|\b(\w+)(?=/? \()|\b(\w+)/(?=[ ,;:)]|$)")


def named() -> dict[Path, set[str]]:
    """Return the names that the map gives for each folder (for those at the top: the broker's own folder)."""
    block = ROOT.joinpath("docs/map.md").read_text().split("```")[1]
    found: dict[Path, set[str]] = {}
    folder = BROKER
    for line in block.splitlines():
        entry = ENTRY.match(line)
        if entry:
            places = entry[1].split()
            folder = BROKER / places[0] if len(places) == 1 and places[0].endswith("/") else BROKER
            found.setdefault(BROKER, set()).update(place.rstrip("/") for place in places)
        elif not line.startswith(" "):
            folder = ROOT
        if folder != ROOT:
            text = entry[2] if entry else line
            found.setdefault(folder, set()).update(next(filter(None, groups)) for groups in MODULE.findall(text))
    return found


def exists(folder: Path, name: str) -> bool:
    places = (folder, BROKER, ROOT, *(child for child in folder.iterdir() if child.is_dir()))
    return any((place / name).exists() or (place / f"{name}.py").exists() for place in places)


def test_the_map_names_only_what_is_there():
    found = named()
    assert BROKER / "partition" in found
    assert "router" in found[BROKER / "partition"]
    missing = {
        f"{folder.name}: {name}" for folder, names in found.items() for name in names if not exists(folder, name)
    }
    assert not missing


def test_every_package_of_the_broker_is_on_the_map():
    names = named()[BROKER]
    packages = {child.name for child in BROKER.iterdir() if (child / "__init__.py").exists()}
    assert {"engine", "store"} <= packages
    assert not packages - {name.partition("/")[0] for name in names}
