"""Variables that every expression can read as `camunda.vars.cluster.NAME`: `client.cluster_variables` (`osmia.v1.ClusterVariables`).

    await client.cluster_variables.create("limit", 500, metadata={"owner": "anna"})

Only Osmia answers; a Zeebe gateway raises `Unimplemented`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.calls.fields import value_of
from osmia.results import Page
from osmia_proto import queries

DEFAULT_LIMIT = 50

Metadata = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class ClusterVariable:
    """A cluster variable. *value* is as JSON gives it; *metadata* are texts and numbers by name."""

    name: str
    value: Any
    metadata: Metadata


@calls_of("Client.cluster_variables")
class ClusterVariableCalls(Calls):
    """Create, update, delete and find cluster variables."""

    async def create(self, name: str, value: object, *, metadata: Metadata | None = None) -> ClusterVariable:
        """Create a cluster variable: its name has 1 to 256 characters, its value is any that JSON has a form for.

        Raises:
            AlreadyExists: there is one with that name.
            InvalidArgument: the name or a member of *metadata* breaks a rule, or all cluster variables become too large together.
        """
        request = queries.CreateClusterVariableRequest(
            name=name, value=variables_json.encode_value(value), metadata=variables_json.encode(metadata)
        )
        return _variable(await self._call("CreateClusterVariable", request))

    async def update(self, name: str, value: object, *, metadata: Metadata | None = None) -> ClusterVariable:
        """Give a cluster variable another value. Without *metadata* they stay as they are.

        Raises:
            NotFound: there is none with that name.
            InvalidArgument: as `create`.
        """
        request = queries.UpdateClusterVariableRequest(
            name=name, value=variables_json.encode_value(value), metadata=variables_json.encode(metadata)
        )
        return _variable(await self._call("UpdateClusterVariable", request))

    async def delete(self, name: str) -> None:
        """Delete a cluster variable.

        Raises:
            NotFound: there is none with that name.
        """
        await self._call("DeleteClusterVariable", queries.DeleteClusterVariableRequest(name=name))

    async def get(self, name: str) -> ClusterVariable:
        """Return one cluster variable.

        Raises:
            NotFound: there is none with that name.
        """
        return _variable(await self._call("GetClusterVariable", queries.GetClusterVariableRequest(name=name)))

    async def search(
        self, name_like: str = "", *, limit: int = DEFAULT_LIMIT, after: str = ""
    ) -> Page[ClusterVariable]:
        """Return cluster variables by their names, in ascending order. In *name_like*, `*` is any text and `?` any character."""
        request = queries.SearchClusterVariablesRequest(name_like=name_like, limit=limit, after=after)
        answer = await self._call("SearchClusterVariables", request)
        return Page([_variable(one) for one in answer.items], answer.next)


def _variable(message: queries.ClusterVariable) -> ClusterVariable:
    return ClusterVariable(message.name, value_of(message.value), value_of(message.metadata))
