"""Osmia's broker: deploy BPMN, run process instances, hand out jobs, lose nothing that was acknowledged.

Imports point one way (proved by tests/test_house.py): cli → broker → gateway, http → partition → store, engine → state →
model → feel, juel, dmn. Everything below the partition is synchronous and pure: time and keys are handed in.
"""

__version__ = "0.1.0"
