"""End this process when its parent has died in any way, so that nothing holds ports and files that nobody watches."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
LOOK_S = 1.0


def end_with(parent: int) -> None:
    """Get SIGTERM when *parent*, which has started this process, dies. If it has died already, end now.

    On Linux the kernel sends it, when the thread ends that has started this process. Elsewhere a thread looks every second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        sys.exit("Expected the process that has started this one to live, but it has ended")


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)
