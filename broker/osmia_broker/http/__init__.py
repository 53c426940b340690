"""The HTTP door: the REST API v2 below `/v2`, and its description (contract-8.10.md, section 3)."""
