"""The gRPC door: translates messages into calls and answers into messages. `server` opens it; each service has a few lines per call."""
