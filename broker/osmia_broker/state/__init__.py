"""What a partition knows: rows in memory, what changed since the last commit, and how to undo a command.

`rows` is the data dictionary, `table` how rows change, `state` the whole, `exchange` what is said to a store.
"""
