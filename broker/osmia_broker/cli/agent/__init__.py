"""The parts of `osmia mcp`: the tools that an agent gets, and the server that speaks its protocol."""
