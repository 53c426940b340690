"""`python -m bench` lists the measurements; `python -m bench NAME [ARGUMENTS]` runs one. What each measures stands at its head."""

import importlib.util
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    names = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))
    chosen = [name for name in sys.argv[1:2] if name not in ("-h", "--help")]
    if not chosen or chosen[0] not in names:
        for name in names:
            print(f"python -m bench {name:<8} {headline(name)}")
        sys.exit(0 if not chosen else f"Expected one of {', '.join(names)}, but found '{chosen[0]}'")
    sys.argv = [f"bench {chosen[0]}", *sys.argv[2:]]
    runpy.run_module(f"bench.{chosen[0]}", run_name="__main__")


def headline(name: str) -> str:
    """The first line of what the measurement says of itself."""
    found = importlib.util.find_spec(f"bench.{name}")
    source = Path(found.origin).read_text() if found and found.origin else ""
    return source.partition('"""')[2].partition("\n")[0].rstrip('"')


if __name__ == "__main__":
    main()
