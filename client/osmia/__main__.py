"""`python -m osmia` is the command line `osmia`, if the broker's part of the package is installed."""

import runpy

if __name__ == "__main__":
    runpy.run_module("osmia_broker", run_name="__main__", alter_sys=True)
