"""Reads of what was deployed: definitions, the names of their elements, files and forms."""
