"""Builds the package: what pyproject.toml says, and the bundles of the page, which npm brings. Without them the build fails."""

import runpy
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

BUNDLES = runpy.run_path(str(Path(__file__).parent / "page" / "bundles.py"))
PACKAGE = "osmia_broker/http/web/bundles"  # where the wheel has them


def fetch() -> None:
    """Fetch the bundles if they are not there; end the build if they cannot be had."""
    try:
        BUNDLES["fetch"]()
    except BUNDLES["BundleFailed"] as failure:
        sys.exit(f"Error: {failure}")


class BuildWithBundles(build_py):
    """Fetches the bundles before the files of the package are copied, and checks that all of them were."""

    def run(self) -> None:
        """Fetch, copy, check."""
        fetch()
        super().run()
        if not self.editable_mode and (lost := BUNDLES["missing"](Path(self.build_lib) / PACKAGE)):
            sys.exit(f"Error: Expected the package to contain every bundle, but found none of {', '.join(lost)}")


class SourcesWithBundles(sdist):
    """Fetches the bundles first: whoever builds from the sources then needs no npm registry."""

    def run(self) -> None:
        """Fetch, then pack."""
        fetch()
        super().run()


setup(cmdclass={"build_py": BuildWithBundles, "sdist": SourcesWithBundles})
