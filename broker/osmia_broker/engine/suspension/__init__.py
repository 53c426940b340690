"""Suspend process instances: their rows are held until they are resumed, or begin to end."""
