"""The storage of rows: `schema` owns tables and indexes, `sqlite` writes and loads for a partition, the read side answers people.

`statements` and `assemble` know no database, `dialects` holds the SQL that is SQLite's own, and `creation` and `migrations` bring a file
to the newest schema.
"""
