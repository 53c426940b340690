"""Measurements that anyone can rerun: `make bench`, or one by name, `python -m bench commit`."""
