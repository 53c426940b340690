"""A process under supervision, as tests play it: `main` does what its arguments say.

folder number [word …]      ready: write the process id to NUMBER.ready; fail: end before that; deaf: pass SIGTERM over;
                            once: fail from the second start on
"""

import json
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    folder, number, *words = Path(sys.argv[1]), sys.argv[2], *sys.argv[3:]
    starts = folder / f"{number}.starts"
    started = int(starts.read_text()) + 1 if starts.exists() else 1
    starts.write_text(str(started))
    say(f"start {started}")
    if "fail" in words or ("once" in words and started == 2):
        say("the port is taken")
        sys.exit(3)
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGTERM, (lambda *_: say("deaf")) if "deaf" in words else drain)
    draft = folder / f"{number}.draft"
    draft.write_text(str(os.getpid()))
    draft.replace(folder / f"{number}.ready")
    while True:
        os.read(woken, 1)  # a signal that comes just before wakes this, too; `signal.pause` would miss it


def say(text: str) -> None:
    print(json.dumps({"message": text}), file=sys.stderr, flush=True)


def drain(*_: object) -> None:
    say("drained")
    sys.exit(0)


if __name__ == "__main__":
    main()
