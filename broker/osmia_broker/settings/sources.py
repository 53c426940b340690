"""Read the broker's settings from all their sources. No other broker module reads the environment.

A value comes from the flag, else from `OSMIA_<NAME>`, else from the TOML file, else it is the default. One setting is
spelt `--grpc-port`, `OSMIA_GRPC_PORT` and `grpc_port`. A file that holds a secret (`database_url_file`) is another spelling of that
secret, so the same order holds for both: `--database-url` wins over `OSMIA_DATABASE_URL_FILE`, also if it is empty.

A misspelt name is refused with the nearest setting. In the environment, a name that is near no setting is passed over:
the variables there do not all belong to the broker. Kubernetes, for example, sets `OSMIA_PORT` and a dozen more in every
pod that runs beside a service named `osmia`.
"""

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from osmia_broker.base import text_files
from osmia_broker.base.edits import misspelt, nearest
from osmia_broker.base.system_errors import in_words
from osmia_broker.settings import values as setting_values
from osmia_broker.settings.config import FILES, GIVEN, NAMES, ConfigError, Settings, read_value
from osmia_broker.settings.service_links import is_service_link
from osmia_broker.settings.values import PREFIX

CONFIG_VARIABLE = "OSMIA_CONFIG"
CONFIG_FILES = (Path("osmia.toml"), Path("/etc/osmia/osmia.toml"))  # the first that exists, when none is named
# Variables with a meaning of their own, most of them for clients, not settings.
OTHERS = frozenset(
    f"OSMIA_{name}"
    for name in (
        *("CONFIG", "ADDRESS", "PROFILE", "USER", "GROUPS", "TOKEN", "TOKEN_FILE", "PASSWORD", "PASSWORD_FILE"),
        *("CA_CERT", "CLIENT_CERT", "CLIENT_KEY"),
    )
)


def load(
    flags: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Build the settings from all their sources. *flags* holds the options of the command line; `None` means not given.

    *environ* is the environment of the process unless a test passes another; *file* is the value of `--config`.

    Raises:
        ConfigError: an unknown name, a value against its rule, or a file that cannot be read.
    """
    values = {name: value for name, (value, _) in _given(flags, environ, file).items()}
    return Settings(**values)


def explained(
    flags: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, file: Path | None = None
) -> list[tuple[str, Any, str]]:
    """Return name, value and source of every setting: an option, a variable, a file, or `default`. The parameters are those of `load`.

    Raises:
        ConfigError: as `load`.
    """
    given = _given(flags, environ, file)
    settings = Settings(**{name: value for name, (value, _) in given.items()})
    return [(name, getattr(settings, name), given[name][1] if name in given else "default") for name in NAMES]


def _given(
    flags: Mapping[str, Any], environ: Mapping[str, str] | None, file: Path | None
) -> dict[str, tuple[Any, str]]:
    """Return value and source of each setting that is given. A source that comes later here overrules an earlier one.

    Raises:
        ConfigError: as `load`.
    """
    environ = os.environ if environ is None else environ
    path = _file(file, environ)
    spelt = {name: "--" + name.replace("_", "-") for name in flags}
    typed = {name: read_value(name, value, spelt[name]) for name, value in flags.items() if value is not None}
    sources = (
        {name: (value, str(path)) for name, value in (_from_file(path) if path else {}).items()},
        {name: (value, PREFIX + name.upper()) for name, value in _from_environment(environ).items()},
        {name: (value, spelt[name]) for name, value in typed.items()},
    )
    given = {name: one for source in sources for name, one in _in_one_spelling(source).items()}
    return {
        name: (_secret(name, value.path, source) if isinstance(value, _InFile) else value, source)
        for name, (value, source) in given.items()
    }


@dataclass(frozen=True, slots=True)
class _InFile:
    """A secret that its source gives as a file. It is read only if no other source overrules this one."""

    path: Path


def _in_one_spelling(given: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """Return what one source gives. A file that holds a secret has the name of the secret.

    Raises:
        ConfigError: the source gives a secret and its file.
    """
    found = {name: one for name, one in given.items() if name not in FILES}
    for file_name in FILES.keys() & given.keys():
        path, source = given[file_name]
        name = file_name.removesuffix("_file")
        if path is None:
            continue
        if found.get(name, ("", ""))[0]:
            raise ConfigError(
                f"Expected {name} or {file_name}, but found both, in {found[name][1]} and {source}",
                _unset(source, found[name][1]),
            )
        found[name] = (_InFile(path), source)
    return found


def _secret(name: str, path: Path, source: str) -> Any:
    """Return the setting *name*, whose text is in the file of *path*, which *source* names.

    Raises:
        ConfigError: it cannot be read, has no text, or one against the rule of the setting.
    """
    spelt = source if source.startswith(("--", PREFIX)) else f"{name}_file in {source}"
    try:
        text = text_files.decoded(path.read_bytes()).strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(
            f"Expected {spelt} to be a text file, but found '{path}': {in_words(fault)}",
            f"ls -l {shlex.quote(str(path.parent))}   (for a file that is there)",
        ) from fault
    if not text:
        raise ConfigError(f"Expected {spelt} to be a file that holds {name}, but found '{path}' empty")
    try:
        return read_value(name, text, f"the text in '{path}', which {spelt} names,")
    except ConfigError as fault:
        raise ConfigError(str(fault), setting_values.EXAMPLES.get(name, "")) from None


def _unset(*sources: str) -> str:
    """Return the command that takes away one of two *sources*; empty if neither is a variable."""
    return next((f"unset {one}" for one in sources if one.startswith(PREFIX)), "")


def passed_over(environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables that begin with `OSMIA_` and are neither settings nor links to a service, in order.

    A setting that holds a link to a service is among them, because its owner may believe that it counts: a service named
    `osmia-grpc` sets OSMIA_GRPC_PORT.
    """
    environ = os.environ if environ is None else environ
    found = []
    for variable in sorted(environ):
        if variable.startswith(PREFIX) and variable not in OTHERS:
            is_setting = _setting_name(variable) in GIVEN
            is_link = is_service_link(variable, environ[variable])
            if is_setting is is_link:  # a setting that is lost to a link, or a variable that is neither
                found.append(variable)
    return found


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable in OTHERS or is_service_link(variable, value):
            continue
        name = _setting_name(variable)
        if name in GIVEN:
            values[name] = read_value(name, value, variable)
        elif near := misspelt(name, GIVEN):
            raise ConfigError(
                f"Expected a setting that Osmia knows, but found {variable}",
                f'export {PREFIX}{near.upper()}="${variable}"; unset {variable}',
            )
    return values


def _setting_name(variable: str) -> str:
    return variable.removeprefix(PREFIX).lower()


def _file(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the settings file: *file*, else that of the variable, else the first of the usual ones that is there."""
    named = file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    return named or next((one for one in CONFIG_FILES if one.is_file()), None)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(text_files.decoded(path.read_bytes()))
    except OSError as error:
        raise ConfigError(
            f"Expected to read settings from '{path}', but found: {in_words(error)}",
            "osmia broker --config FILE   (a file that is there; or without --config)",
        ) from error
    except ValueError as error:  # TOML's faults and broken UTF-8
        raise ConfigError(
            f"Expected '{path}' to be TOML, but found: {in_words(error)}",
            'data_dir = "/var/lib/osmia"   (NAME = VALUE, one a line; a text stands in quotes)',
        ) from error
    for name in document:
        if name not in GIVEN:
            raise _unknown(name, path)
    return {name: read_value(name, value, f"{name} in {path}") for name, value in document.items()}


def _unknown(name: str, path: Path) -> ConfigError:
    """Refuse a name in the settings file, where each name is meant for the broker."""
    near = nearest(name.lower(), GIVEN, likeness=0.5)
    hint = f"{near} = VALUE" if near else "osmia config schema   (it has all settings)"
    return ConfigError(f"Expected a setting that Osmia knows, but found {name} in {path}", hint)
