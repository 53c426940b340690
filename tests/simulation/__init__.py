"""Random schedules from a seed: commands, failing commits, restarts; then the books and the rows are compared."""
