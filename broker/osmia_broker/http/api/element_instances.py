"""Commands for element instances: set variables, activate elements of an ad-hoc subprocess."""

from msgspec import Raw, field

from osmia_broker.calls.faults import require
from osmia_broker.http.described import GivenVariables, Name, Referenced
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Body, Key, variables_text

TAG = "Element instance"


class Variables(Referenced):
    """Variables to set."""

    variables: GivenVariables = field(default_factory=Raw)
    local: bool | None = None


class ElementToActivate(Body):
    """An element of an ad-hoc subprocess."""

    element_id: Name | None = None
    variables: GivenVariables = field(default_factory=Raw)


class Activation(Body):
    """The elements of an ad-hoc subprocess to activate."""

    elements: list[ElementToActivate] | None = None
    cancel_remaining_instances: bool | None = None


@operation("PUT", "/element-instances/{elementInstanceKey}/variables", tag=TAG, status=204)
async def set_variables(call: Call, element_instance_key: Key, body: Variables) -> None:
    """Set variables in the scope of an element instance, or each in the nearest scope that has it."""
    variables = variables_text(body.variables)
    if variables.strip() in ("", "null"):
        require(variables=None)
    await call.calls.set_variables(element_instance_key, variables, local=bool(body.local))


@operation(
    "POST",
    "/element-instances/ad-hoc-activities/{adHocSubProcessInstanceKey}/activation",
    tag="Ad-hoc subprocess",
    status=204,
)
async def activate_ad_hoc_activities(call: Call, ad_hoc_sub_process_instance_key: Key, body: Activation) -> None:
    """Activate elements of an ad-hoc subprocess."""
    await call.calls.activate_ad_hoc_elements(
        ad_hoc_sub_process_instance_key,
        [(one.element_id or "", variables_text(one.variables)) for one in body.elements or ()],
        cancels_remaining=bool(body.cancel_remaining_instances),
    )
