"""Storage: the rules of every store, failures of real disks, corrupt rows, the schema, and the read side."""
