"""Changes of the schema over time, by Alembic. `upgrade` runs them; each revision is frozen when it is released.

A new revision: change schema.py, write `versions/000N_what.py`, set `creation.HEAD`; the tests compare the two ways to the newest schema.
"""
