"""The gRPC door: messages in and out, nothing decided. `server` opens it, `service` has a few lines per call."""
