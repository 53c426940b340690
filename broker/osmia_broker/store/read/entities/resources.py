"""Deployed resources: every process, decision graph and form, in all versions, by the key of what was made of it."""

from typing import Any

from sqlalchemy import Select, literal_column, select, union_all

from osmia_broker.state.rows import DecisionRequirements, Form, ProcessDefinition
from osmia_broker.store import schema
from osmia_broker.store.read.search.entity import Entity
from osmia_broker.store.read.search.fields import SORTED_TENANT, integer, key, maybe, text

_IDS = {
    ProcessDefinition: "bpmn_process_id",
    DecisionRequirements: "decision_requirements_id",
    Form: "form_id",
}


def _of(row_type: type, id_column: str) -> Select[Any]:
    table = schema.TABLES[row_type].c
    tag = table.version_tag if "version_tag" in table else literal_column("''")
    return select(
        table.key.label("key"),
        table[id_column].label("id"),
        table.version.label("version"),
        tag.label("version_tag"),
        table.resource_name.label("resource_name"),
        table.checksum.label("checksum"),
        table.deployment_key.label("deployment_key"),
    ).where(table.deleted_ms == 0)


_resource = union_all(*(_of(row_type, id) for row_type, id in _IDS.items())).subquery("resource")

RESOURCES = Entity(
    "resources",
    _resource,
    (_resource.c.key,),
    (
        key("resourceKey", _resource.c.key, sorts=True),
        text("resourceId", _resource.c.id, sorts=True),
        text("resourceName", _resource.c.resource_name, sorts=True),
        integer("version", _resource.c.version, sorts=True),
        maybe("versionTag", _resource.c.version_tag, sorts=True),
        key("deploymentKey", _resource.c.deployment_key, sorts=True, shows=False),
        SORTED_TENANT,
    ),
    is_of_cluster=True,
)
