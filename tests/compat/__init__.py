"""Published clients, unmodified, against a broker."""
