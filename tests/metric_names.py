"""The names and labels that `/metrics` has."""

import re

from osmia_broker.metrics import Metrics
from osmia_broker.running.exposition import Families

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
OF_PROMETHEUS = {"instance", "job", "le"}
NAME = re.compile(r"\bosmia_\w+")


def families() -> dict[str, set[str]]:
    """The labels of each series, by its name."""
    metrics = Metrics()
    return {
        family.name + suffix: set(family._labelnames) | OF_PROMETHEUS
        for family in Families(metrics).collect()
        for suffix in SUFFIXES[family.type]
    }
