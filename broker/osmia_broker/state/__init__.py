"""The knowledge of a partition: rows in memory, their changes since the last commit, and how to undo a command.

`rows/` is the data dictionary, `memory/` finds and changes rows, `tables/` has the tables that do more than that, `state` is the whole, and
`store_protocol` is the contract with a store.
"""
