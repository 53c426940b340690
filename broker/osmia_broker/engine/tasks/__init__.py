"""User tasks: what people do with them, their listeners, proposals for them, and who may do what."""
