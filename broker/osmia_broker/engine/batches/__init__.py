"""Batch operations: one command for many items, worked off in slices by all partitions."""
