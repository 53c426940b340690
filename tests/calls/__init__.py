"""The calls that every door offers, without a door."""
