"""Read from the environment where this process runs: the terminal, the shell, the screen, a collector of traces.

The settings of the broker are in `config`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def has_browser(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether a browser that opens here would be seen: a display, no remote shell, and no automatic build."""
    environ = os.environ if environ is None else environ
    if any(environ.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_TTY")):
        return False
    return sys.platform == "darwin" or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def own_shell(environ: Mapping[str, str] | None = None) -> str:
    """Return the name of the shell of who calls, such as zsh; empty if the environment does not say it."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("SHELL", "")).name


def user_without_password(environ: Mapping[str, str] | None = None) -> str:
    """Return the user whom the environment names without anything to sign in with; else an empty text."""
    environ = os.environ if environ is None else environ
    secrets = ("OSMIA_PASSWORD", "OSMIA_PASSWORD_FILE", "OSMIA_TOKEN", "OSMIA_TOKEN_FILE")
    return "" if any(environ.get(one) for one in secrets) else environ.get("OSMIA_USER", "")


def names_collector(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the standard variables of OpenTelemetry say where traces go."""
    environ = os.environ if environ is None else environ
    return any(environ.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))


def wants_color(environ: Mapping[str, str] | None = None) -> bool:
    """Return whether the environment lets a terminal have colours: https://no-color.org, and TERM=dumb."""
    environ = os.environ if environ is None else environ
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
