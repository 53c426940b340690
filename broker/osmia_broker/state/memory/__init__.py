"""Rows in memory: found by key and look-up, changed with undo, bounded in bytes, known when they are due."""
