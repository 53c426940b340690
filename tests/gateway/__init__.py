"""The gRPC door as its callers meet it."""
