"""Rows in a PostgreSQL database that several brokers can reach: one of them leads a partition, the others wait.

`store` writes and loads for a partition, `lease` says who leads, `connection` reaches the server and sorts its errors. `commit` and `load`
make the statements, each of one round trip, from the tables of `schema` and the statements of `statements`; `dialect` holds the SQL that is
PostgreSQL's own. The driver is imported when a store is opened: a broker on SQLite never needs it.
"""
