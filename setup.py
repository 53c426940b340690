"""Builds the package: what pyproject.toml says, and the bundles of the page, which npm brings. Without them the build fails."""

import runpy
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithBundles(build_py):
    """Fetches the bundles before the files of the package are copied."""

    def run(self) -> None:
        """Fetch, then copy."""
        runpy.run_path(str(Path(__file__).parent / "page" / "bundles.py"))["fetch"]()
        super().run()


setup(cmdclass={"build_py": BuildWithBundles})
