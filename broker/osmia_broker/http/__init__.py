"""The HTTP door: the REST API v2 below `/v2` and Osmia's own operations below `/osmia/v1`, and their description."""
