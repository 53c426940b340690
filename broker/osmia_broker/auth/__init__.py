"""Find out who is calling: users and passwords, tokens of a provider, and the sessions of a browser.

A door asks the `Guard` of the broker for each call; without sign-in there is none. See docs/security.md.
"""

from osmia_broker.auth.guard import Guard
from osmia_broker.auth.user import User

__all__ = ["Guard", "User"]
