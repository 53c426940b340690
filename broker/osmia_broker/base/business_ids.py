"""The bound of business ids: a model may name one, a call may give one, and a row keeps it."""

BUSINESS_ID_CHARACTERS = 256  # more are refused
