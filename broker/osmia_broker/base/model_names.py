"""The names that a model gives to its elements."""


def holds_expression(name: str) -> bool:
    """Whether a name is evaluated rather than shown as it stands: in the Activiti dialect, that of a user task may be."""
    return "${" in name or "#{" in name
