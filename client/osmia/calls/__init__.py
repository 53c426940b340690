"""The calls of a client, by what they are about. `Client` is all of them together."""
