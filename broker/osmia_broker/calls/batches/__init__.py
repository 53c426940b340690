"""Batch operations: their plans, the items that they find, and the calls about them."""
