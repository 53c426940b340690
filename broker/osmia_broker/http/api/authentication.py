"""The caller, and the settings of the broker that pages and clients read."""

from typing import Annotated

from osmia_broker.calls.checks import DEFAULT_TENANT
from osmia_broker.http.described import one_of
from osmia_broker.http.operation import Call, operation
from osmia_broker.http.types import Item

ANONYMOUS = "anonymous"
COMPONENTS = ("operate", "tasklist")


class Tenant(Item):
    """A tenant of the caller; there is one."""

    tenant_id: str
    name: str
    description: str | None


class CurrentUser(Item):
    """The person who calls."""

    username: str
    display_name: str | None
    email: str | None
    authorized_components: list[str]
    tenants: list[Tenant]
    groups: list[str]
    roles: list[str]
    sales_plan_type: str | None
    c8_links: dict[str, str]
    can_logout: bool


class JobMetrics(Item):
    """The limits of statistics of jobs."""

    enabled: bool
    export_interval: str
    max_worker_name_length: int
    max_job_type_length: int
    max_tenant_id_length: int
    max_unique_keys: int


class Components(Item):
    """The pages that are served."""

    active: list[Annotated[str, one_of(*COMPONENTS)]]


class Deployment(Item):
    """The bounds of a deployment."""

    is_multi_tenancy_enabled: bool
    max_request_size: int  # bytes


class Authentication(Item):
    """The way in which people sign in."""

    can_logout: bool
    is_login_delegated: bool


class Cloud(Item):
    """The cloud that the broker is a part of; none."""

    stage: str | None


class SystemConfiguration(Item):
    """The settings that clients read."""

    job_metrics: JobMetrics
    components: Components
    deployment: Deployment
    authentication: Authentication
    cloud: Cloud


@operation("GET", "/authentication/me", tag="Authentication")
async def get_authentication(call: Call) -> CurrentUser:
    """Name the person who calls."""
    user, signed_in = call.caller.user, call.caller.signed_in
    return CurrentUser(
        username=user or ANONYMOUS,
        display_name=(signed_in.display_name if signed_in else "") or user or None,
        email=(signed_in.email if signed_in else "") or None,
        authorized_components=["*"],
        tenants=[Tenant(tenant_id=DEFAULT_TENANT, name="Default", description=None)],
        groups=list(call.caller.groups),
        roles=[],
        sales_plan_type=None,
        c8_links={},
        can_logout=call.services.sign_in is not None,
    )


@operation("GET", "/system/configuration", tag="System")
async def get_system_configuration(call: Call) -> SystemConfiguration:
    """Return the settings that clients read."""
    sign_in = call.services.sign_in
    return SystemConfiguration(
        job_metrics=JobMetrics(
            enabled=True,
            export_interval="PT0S",
            max_worker_name_length=100,
            max_job_type_length=100,
            max_tenant_id_length=31,
            max_unique_keys=2**31 - 1,
        ),
        components=Components(active=list(COMPONENTS)),
        deployment=Deployment(is_multi_tenancy_enabled=False, max_request_size=call.services.body_bytes_max),
        authentication=Authentication(
            can_logout=sign_in is not None, is_login_delegated=sign_in is not None and sign_in.is_delegated
        ),
        cloud=Cloud(stage=None),
    )
