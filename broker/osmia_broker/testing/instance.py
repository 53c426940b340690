"""A process instance under test: what is expected of it, and what is done in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from osmia_broker.testing.expectations import Expectations

if TYPE_CHECKING:
    from osmia_broker.testing.broker import Broker


class Instance(Expectations):
    """A process instance under test: what is expected of it, and what is done in it."""

    def __init__(self, broker: "Broker", key: int) -> None:
        super().__init__(broker.view, key)
        self._broker = broker

    def called(self, process_id: str) -> "Instance":
        """Expect that it has called an instance of this process, and return the newest one."""
        __tracebackhide__ = True
        return Instance(self._broker, self._called(process_id))

    async def complete_job(self, name: str, variables: object = None) -> Self:
        """Complete the oldest open job of a type or an element of this instance."""
        __tracebackhide__ = True
        await self._broker.complete_job(name, variables, instance=self)
        return self

    async def fail_job(
        self,
        name: str,
        message: str = "",
        *,
        retries: int | None = None,
        back_off_ms: int = 0,
        variables: object = None,
    ) -> Self:
        """Fail the oldest open job of a type or an element of this instance. Without *retries* it has one less than before."""
        __tracebackhide__ = True
        await self._broker.fail_job(
            name, message, retries=retries, back_off_ms=back_off_ms, variables=variables, instance=self
        )
        return self

    async def throw_error(self, name: str, code: str, message: str = "", variables: object = None) -> Self:
        """Throw a BPMN error from the oldest open job of a type or an element of this instance."""
        __tracebackhide__ = True
        await self._broker.throw_error(name, code, message, variables, instance=self)
        return self

    async def complete_task(self, name: str, variables: object = None, *, user: str = "") -> Self:
        """Complete the oldest open user task of an element of this instance, as *user*."""
        __tracebackhide__ = True
        await self._broker.complete_task(name, variables, user=user, instance=self)
        return self

    async def claim_task(self, name: str, user: str, *, groups: Sequence[str] = ()) -> Self:
        """Claim the oldest open user task of an element of this instance for *user*, who is in these *groups*."""
        __tracebackhide__ = True
        await self._broker.claim_task(name, user, groups=groups, instance=self)
        return self

    async def set_variables(self, variables: object, *, at: str = "") -> Self:
        """Set variables: in the outermost scope, or local to the element *at*."""
        __tracebackhide__ = True
        key = self.scope(at) if at else self.key
        await self._broker.set_variables(key, variables, local=bool(at))
        return self

    async def resolve_incidents(self) -> Self:
        """Resolve all open incidents; a job without retries gets one."""
        for incident in self._view.incidents(self.key):
            await self._broker.resolve_incident(incident.key)
        return self

    async def cancel(self) -> Self:
        """Cancel it."""
        await self._broker.client.cancel_instance(self.key)
        await self._broker.settle()
        return self

    def scope(self, element: str) -> int:
        """Return the key of the newest visit of *element* that goes on: the scope of its local variables.

        Raises:
            AssertionError: no token is there.

        """
        __tracebackhide__ = True
        known = self._known(element)
        found = [row.key for row in self._view.visits(self.key) if row.element_id == known and not row.ended_ms]
        if not found:
            self._fail(f"to be at '{known}'", self._stands())
        return found[-1]
