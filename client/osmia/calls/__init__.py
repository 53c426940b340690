"""The calls of a client, one module per subject. `Client` has all of them."""
