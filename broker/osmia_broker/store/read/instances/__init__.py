"""Views of process instances: their history, their conditions, the results and business ids."""
