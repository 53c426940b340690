"""Read from the settings how much the engine of one partition may spend."""

from osmia_broker.engine import Budget
from osmia_broker.settings.config import Settings


def budget_of(settings: Settings) -> Budget:
    """Return a budget of its own for a partition: how far a walk may go, and how long an expression may take."""
    return Budget(path_steps_max=settings.step_limit, expression_s=settings.expression_timeout.total_seconds())
