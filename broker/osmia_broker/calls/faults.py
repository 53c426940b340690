"""The faults of a request's members, collected: a refusal lists all of them at once."""

from osmia_broker.base.errors import InvalidArgument


def require(**members: object) -> None:
    """Refuse a request without one of *members*, named as in the request.

    Raises:
        InvalidArgument: one is missing, or is an empty or blank text.

    """
    faults = Faults()
    for name, value in members.items():
        faults.require(name, value)
    faults.refuse()


class Faults:
    """The faults found so far in one request, in the words of the reference."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, text: str) -> None:
        """Add a fault."""
        self._found.append(text)

    def require(self, member: str, value: object) -> None:
        """Add a fault if a member is missing, or is an empty or blank text."""
        if value is None or (isinstance(value, str) and not value.strip()):
            self.add(f"No {member} provided.")

    def require_number(self, member: str, value: int | None, *, above: int = 0) -> None:
        """Add a fault if a number is missing, or is not above a bound."""
        if value is None:
            self.add(f"No {member} provided.")
        else:
            self.demand_above(member, value, above=above)

    def demand_above(self, member: str, value: int | None, *, above: int = 0) -> None:
        """Add a fault if a number is given and is not above a bound."""
        if value is not None and value <= above:
            self.add(f"The value for {member} is '{value}' but must be greater than {above}.")

    def require_one(self, **members: object) -> None:
        """Add a fault unless exactly one of the members, named as in the request, is given."""
        given = [name for name, value in members.items() if value is not None and value != ""]
        names = ", ".join(members)
        if not given:
            self.add(f"At least one of [{names}] is required.")
        elif len(given) > 1:
            self.add(f"Only one of [{names}] is allowed.")

    def require_any(self, **members: object) -> None:
        """Add a fault unless at least one of the members is given."""
        if all(value is None for value in members.values()):
            self.add(f"At least one of [{', '.join(members)}] is required.")

    def refuse(self) -> None:
        """Refuse the request if there are faults.

        Raises:
            InvalidArgument: with all faults in one text, as the reference has it.

        """
        if self._found:
            raise InvalidArgument(" ".join(self._found))
