"""The SQL under every list: connections that can only read, selections of tables, and expressions as each database writes them."""
