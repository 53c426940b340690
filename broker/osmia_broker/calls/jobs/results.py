"""The owner of the result of a worker: a task listener, or an ad-hoc subprocess."""

from osmia_broker.base.errors import InvalidArgument
from osmia_broker.calls import checks

_LISTENER, _AD_HOC = RESULT_TYPES = ("userTask", "adHocSubProcess")


def is_of_listener(type: str, *, has_its_members: bool) -> bool:
    """Whether a result is a task listener's: by its type, or by its members if it has no type, as with clients before 8.8.

    Raises:
        InvalidArgument: the type is unknown.

    """
    if not type:
        return has_its_members
    known = next((one for one in RESULT_TYPES if one.lower() == type.lower()), None)
    if known is None:
        raise InvalidArgument(f"Expected result.type to be {_LISTENER} or {_AD_HOC}, but found '{checks.quoted(type)}'")
    return known == _LISTENER
