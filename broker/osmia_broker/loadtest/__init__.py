"""Load of our own kind, with honest percentiles and books that must balance: what `osmia bench` runs.

`plan` says what to do, `lane` is one client process that does its part, `run` starts the lanes and brings their books together,
`books` checks them against each other and against the broker's own lists, `machine` reads what it cost.
"""
