"""The knowledge of a partition: rows in memory, their changes since the last commit, and how to undo a command.

`rows` is the data dictionary, `table` changes rows, `state` is the whole, `residency` bounds it, and `store_protocol` is the contract
with a store.
"""
