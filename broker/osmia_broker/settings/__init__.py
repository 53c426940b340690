"""The settings of a broker: what they mean, where their values come from, how a value is read."""
