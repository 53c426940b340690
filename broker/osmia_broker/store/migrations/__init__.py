"""Changes of the schema over time, by Alembic. `upgrade` runs them. A revision never changes once it was released.

To make a new revision: change a row class (or an index in `schema.py`), write `versions/vNNNN_name.py`, and set `creation.HEAD`. The
tests compare both ways to the newest schema.
"""
