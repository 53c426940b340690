"""The event stream: of one partition, of one in another process, and of all together."""
