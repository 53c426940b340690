"""The operations of the REST API, a module per tag of the contract."""

import importlib
import pkgutil


def load() -> None:
    """Import every module of this package, so that its operations are registered."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
