"""The loop of a partition: batches, answers after the commit, residency, and starting over."""
