"""Run a broker in the foreground, from the words of `osmia broker` to its end, without the framework of the command line.

Typer brings Pydantic: 10 MB and a seventh of the CPU of a start, and a broker that runs for months uses neither again. So plain words are read here:
options of settings, each with its value. All others, such as `--help` or a mistake, are for Typer.
"""

import gc
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from osmia_broker.base import logs
from osmia_broker.cli import preflight
from osmia_broker.cli.failures import Exit, Failure
from osmia_broker.settings import config, sources

if TYPE_CHECKING:
    from collections.abc import Coroutine

MIB = 1024**2
FILE = "config"  #: the one option that is no setting
#: Settings that are no options. A secret would stand in the list of processes; tests alone pin the clock; `osmia backup` uses the directory.
WITHOUT_OPTION = frozenset({"oidc_client_secret", "links_secret", "clock_control", "backup_dir"})
OPTIONS = {"--" + name.replace("_", "-"): name for name in config.GIVEN if name not in WITHOUT_OPTION}
#: Options without a value.
SWITCHES = frozenset(name for name, one in config.NAMES.items() if isinstance(one.default, bool))

WITHHELD = "SECRET"  # in place of a secret in advice: what is printed is kept in logs

log = logging.getLogger(__name__)


def plain(words: Sequence[str]) -> dict[str, str | bool] | None:
    """Return the values of the options in *words*, by the name of the setting; `None` if there is any other word."""
    given: dict[str, str | bool] = {}
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        name = FILE if option == f"--{FILE}" else OPTIONS.get(option)
        if name is None or (name in SWITCHES and equals):
            return None
        if name not in SWITCHES and not equals:
            value = next(rest, "-")
            if value.startswith("-"):  # forgotten, or negative
                return None
        if not value.isprintable():  # it may be no UTF-8
            return None
        given[name] = name in SWITCHES or value
    return given


def run(given: Mapping[str, str | bool]) -> None:
    """Run a broker until SIGTERM or Ctrl-C. *given* are the values of options, as `plain` returns them.

    Raises:
        Failure: USAGE; a setting cannot be used. Or the broker could not start.
    """
    flags = {name: value for name, value in given.items() if name != FILE}
    try:
        settings = sources.load(flags, file=Path(str(given[FILE])) if FILE in given else None)
    except config.ConfigError as error:
        raise Failure(Exit.USAGE, f"{error}.", mend=error.hint, code="USAGE") from error
    preflight.refuse_mistakes(settings, {name.replace("_", "-"): _shown(name, value) for name, value in given.items()})
    preflight.refuse_unusable_access(settings)
    preflight.refuse_missing_extras(settings)
    logs.set_up(settings.log_level, settings.log_format)
    _warn(settings)
    _serve(settings)


def _shown(name: str, value: str | bool) -> str:
    """Return the value of an option as advice repeats it: nothing for a switch, and no secret."""
    if name in config.GIVEN and not config.GIVEN[name].repr:
        return WITHHELD
    return "" if value is True else str(value)


def _warn(settings: config.Settings) -> None:
    """Log what is allowed and yet may be a mistake."""
    if strangers := sources.passed_over():
        log.info("variables that are no settings are passed over", extra={"variables": ", ".join(strangers)})
    if public := settings.unsafe_doors():
        log.warning("other machines reach doors without TLS and sign-in", extra={"doors": ", ".join(public)})
    if settings.memory_limit < MIB:
        log.warning(
            "the memory limit is below 1 MiB: a number without a unit is bytes",
            extra={
                "memory_limit": f"{settings.memory_limit} bytes",
                "try": f"--memory-limit {settings.memory_limit}MiB",
            },
        )


def _serve(settings: config.Settings) -> None:
    """Import the broker, and run it on the quickest event loop of this system.

    Raises:
        Failure: the broker could not start.
    """
    import asyncio

    from osmia_broker.base.errors import StoreFailed
    from osmia_broker.base.event_loops import loop_factory

    with asyncio.Runner(loop_factory=loop_factory() if settings.processes == 1 else None) as runner:
        try:
            runner.run(_running(settings))
        except (StoreFailed, OSError) as error:
            log.debug("the broker ended", exc_info=error)
            raise preflight.start_failed(error, settings) from error


def _running(settings: config.Settings) -> "Coroutine[None, None, None]":
    """Return the broker at work: in this process, or in several that this one starts."""
    if settings.processes > 1:
        return _run_several(settings)
    gc.disable()  # until the broker serves: to look for garbage among what is imported takes a quarter of the start, and finds none
    from osmia_broker.running.broker import Broker

    return Broker(settings).serve()


async def _run_several(settings: config.Settings) -> None:
    """Run the broker in several processes, which this one starts.

    Raises:
        Failure: REFUSED; one of them could not start.
    """
    from osmia_broker.running import processes
    from osmia_broker.running.child import NotStarted

    try:
        await processes.run(settings)
    except NotStarted as failure:
        raise Failure(Exit.REFUSED, "The broker cannot start.", why=str(failure), code="START_FAILED") from failure
