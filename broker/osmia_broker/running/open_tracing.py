"""Begin to send traces, if the settings say so. The packages for it are an extra, so they are loaded here alone, and only then."""

from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import TYPE_CHECKING

from osmia_broker.base.surroundings import names_collector
from osmia_broker.settings.config import ConfigError, Settings

if TYPE_CHECKING:
    from osmia_broker.running.tracing import Tracing


def is_installed() -> bool:
    """Return whether the packages of OpenTelemetry are there."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except (ImportError, ValueError):
        return False


def open_tracing(settings: Settings, opened: AsyncExitStack) -> "Tracing | None":
    """Return what makes the spans, None if traces are off; *opened* sends the last ones.

    Raises:
        ConfigError: the packages are not installed.
    """
    if not settings.otel_endpoint:
        return None
    if not is_installed():
        raise ConfigError(
            "Expected the packages of OpenTelemetry, because otel_endpoint is set, but found none",
            "pip install '.[otel]'   (in a checkout of Osmia)",
        )
    from osmia_broker.running.tracing import Tracing, provider_for

    tracing = Tracing(provider_for("" if names_collector() else settings.otel_endpoint))
    opened.push_async_callback(tracing.stop, settings.shutdown_grace.total_seconds())
    return tracing
