"""The expectations that a test may have of a process instance. Each expectation returns the instance, so that they can be chained.

An expectation is judged when the broker is quiet. If it does not hold, the text says where the tokens stand, the variables and the
incidents.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self

from osmia_broker.base.edits import did_you_mean
from osmia_broker.model import Process
from osmia_broker.state.rows import BusinessId, ElementInstance, InstanceOrigin
from osmia_broker.testing.story import names_of, short, story
from osmia_broker.testing.view import View, finished, standing, value_of


class Expectations:
    """The expectations of one process instance."""

    def __init__(self, view: View, key: int) -> None:
        self.key = key
        self._view = view

    # --- a look at it

    @property
    def row(self) -> ElementInstance:
        """The process itself as it is stored."""
        return self._view.rows(ElementInstance, key=self.key)[0]

    @property
    def process_id(self) -> str:
        """The id of its process."""
        return self.row.element_id

    @property
    def state(self) -> str:
        """ACTIVE, COMPLETED or CANCELED."""
        return {"COMPLETED": "COMPLETED", "TERMINATED": "CANCELED"}.get(self.row.state, "ACTIVE")

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of its outermost scope."""
        return self._view.variables(self.key)

    @property
    def tokens(self) -> list[str]:
        """The ids of the elements at which its tokens stand, oldest first."""
        return [row.element_id for row in standing(self._view.visits(self.key))]

    @property
    def path(self) -> list[str]:
        """The ids of the elements that have completed, in the order in which they did."""
        return [row.element_id for row in finished(self._view.visits(self.key))]

    @property
    def visits(self) -> list[ElementInstance]:
        """The visits of its elements as they are stored, in the order in which they began."""
        return self._view.visits(self.key)

    def id_of(self, element: str) -> str:
        """Return the id of an element that is named by its id or its name.

        Raises:
            LookupError: the process has no such element; the text names the nearest.

        """
        __tracebackhide__ = True
        return self._known(element)

    @property
    def flows(self) -> list[str]:
        """The ids of the sequence flows that were taken to an element, each as often as it was taken."""
        visits = [row.entered_by for row in self._view.visits(self.key)]
        return [flow for flow in (*visits, *(token.flow_id for token in self._view.tokens(self.key))) if flow]

    # --- its end

    def is_active(self) -> Self:
        """Expect that it has not ended."""
        return self._is("ACTIVE")

    def is_completed(self) -> Self:
        """Expect that it has completed."""
        return self._is("COMPLETED")

    def is_canceled(self) -> Self:
        """Expect that it has been cancelled or terminated."""
        return self._is("CANCELED")

    def _is(self, expected: str) -> Self:
        __tracebackhide__ = True
        if self.state != expected:
            self._fail(f"to be {expected}", f"it is {self.state}")
        return self

    # --- its tokens

    def waits_at(self, *elements: str) -> Self:
        """Expect that a token stands at each of these *elements*; others may stand elsewhere. An element is named by id or name."""
        __tracebackhide__ = True
        at = self._active()
        if lacking := [element for element in map(self._known, elements) if element not in at]:
            self._fail(f"to wait at {_listed(lacking)}", self._stands())
        return self

    def waits_only_at(self, *elements: str) -> Self:
        """Expect that its tokens stand at exactly these *elements*, each named as often as a token stands there."""
        __tracebackhide__ = True
        expected = sorted(map(self._known, elements))
        if sorted(self.tokens) != expected:
            self._fail(f"to wait only at {_listed(expected)}", self._stands())
        return self

    def does_not_wait_at(self, *elements: str) -> Self:
        """Expect that no token stands at any of these *elements*."""
        __tracebackhide__ = True
        at = self._active()
        if there := [element for element in map(self._known, elements) if element in at]:
            self._fail(f"not to wait at {_listed(there)}", "it does")
        return self

    def _active(self) -> list[str]:
        return [row.element_id for row in self._view.visits(self.key) if not row.ended_ms]

    def _stands(self) -> str:
        tokens = self.tokens
        return f"it waits at {_listed(tokens)}" if tokens else f"it is {self.state}"

    def has_task(self, element: str, *, assignee: str | None = None, group: str = "", user: str = "") -> Self:
        """Expect an open user task at *element*: of this *assignee* ("" for nobody), with this candidate *group* and candidate *user*."""
        __tracebackhide__ = True
        known = self._known(element)
        tasks = [task for task in self._view.tasks(process_instance_key=self.key) if task.element_id == known]
        if not tasks:
            self._fail(f"to have an open task at '{known}'", "it has none there")
        if assignee is not None and assignee not in [task.assignee for task in tasks]:
            found = " and ".join(
                f"it is assigned to '{task.assignee}'" if task.assignee else "it is unassigned" for task in tasks
            )
            wanted = f"to have the assignee '{assignee}'" if assignee else "to have no assignee"
            self._fail(f"{wanted} at '{known}'", found)
        groups = [name for task in tasks for name in value_of(task.candidate_groups)]
        users = [name for task in tasks for name in value_of(task.candidate_users)]
        for what, name, found_names in (("group", group, groups), ("user", user, users)):
            if name and name not in found_names:
                found = (
                    f"the candidate {what}s are {_listed(found_names)}"
                    if found_names
                    else f"it has no candidate {what}s"
                )
                self._fail(f"to have the candidate {what} '{name}' at '{known}'", found)
        return self

    # --- its way

    def passed(self, *elements: str) -> Self:
        """Expect that these *elements* have completed, in this order; others may have completed between them."""
        __tracebackhide__ = True
        path = self.path
        left = iter(path)
        for element in map(self._known, elements):
            if element not in left:
                order = " in this order" if element in path else ""
                self._fail(f"to have passed {_listed(elements)}{order}", f"it has passed {_listed(path)}")
        return self

    def did_not_pass(self, *elements: str) -> Self:
        """Expect that none of these *elements* has completed."""
        __tracebackhide__ = True
        path = self.path
        if passed := [element for element in map(self._known, elements) if element in path]:
            self._fail(f"not to have passed {_listed(passed)}", "it has")
        return self

    def took(self, *flows: str) -> Self:
        """Expect that these sequence *flows* were taken."""
        __tracebackhide__ = True
        taken = self.flows
        for flow in flows:
            if flow not in taken:
                self._check_flow(flow)
                self._fail(f"to have taken the flow '{flow}'", f"it has taken {_listed(taken)}")
        return self

    # --- its variables

    def has_variables(self, expected: Mapping[str, Any] | None = None, /, *, at: str = "", **more: Any) -> Self:
        """Expect these variables with these values, in the outermost scope or (*at*) local to an element; there may be others."""
        __tracebackhide__ = True
        wanted, found = {**(expected or {}), **more}, self.variables_at(at)
        differences = [one for name in wanted if name in found for one in _differences(name, wanted[name], found[name])]
        lacking = [name for name in wanted if name not in found]
        expectations = [f"{place} = {value}" for place, value, _ in differences]
        findings = [f"{place} = {value}" if value else f"there is no {place}" for place, _, value in differences]
        if lacking:
            expectations.append(f"{_counted('a variable', lacking)} {_listed(lacking)}")
            findings.append(f"it has {_listed(found)}")
        if expectations:
            self._fail(f"to have {' and '.join(expectations)}{_at(at)}", " and ".join(findings))
        return self

    def has_variable_names(self, *names: str, at: str = "") -> Self:
        """Expect that there are variables with these *names*, whatever their values."""
        __tracebackhide__ = True
        found = self.variables_at(at)
        if lacking := [name for name in names if name not in found]:
            self._fail(
                f"to have {_counted('a variable', lacking)} {_listed(lacking)}{_at(at)}", f"it has {_listed(found)}"
            )
        return self

    def has_no_variable(self, *names: str, at: str = "") -> Self:
        """Expect that there are no variables with these *names*."""
        __tracebackhide__ = True
        found = self.variables_at(at)
        if there := [name for name in names if name in found]:
            self._fail(
                f"to have no variable {_listed(there)}{_at(at)}",
                ", ".join(f"{name} = {short(found[name])}" for name in there),
            )
        return self

    def variables_at(self, element: str) -> dict[str, Any]:
        """Return the variables that are local to the newest visit of *element*, or without one those of the outermost scope.

        Raises:
            AssertionError: no token has been there.

        """
        __tracebackhide__ = True
        if not element:
            return self.variables
        known = self._known(element)
        visits = [row for row in self._view.visits(self.key) if row.element_id == known]
        if not visits:
            self._fail(f"to have reached '{known}'", "it has not")
        return self._view.variables(visits[-1].key)

    # --- its incidents

    def has_incident(self, at: str = "", *, error_type: str = "", message: str = "") -> Self:
        """Expect an open incident: *at* an element, of this type, whose text contains *message*."""
        __tracebackhide__ = True
        element = self._known(at) if at else ""
        open_ones = self._view.incidents(self.key)
        fitting = [
            row
            for row in open_ones
            if element in ("", row.element_id) and error_type in ("", row.error_type) and message in row.message
        ]
        if not fitting:
            with_text = f" with '{message}'" if message else ""
            wanted = f"{f' {error_type}' if error_type else ''}{_at(element)}{with_text}"
            found = ", ".join(f"{row.error_type} at '{row.element_id}'" for row in open_ones) or "none"
            self._fail(f"to have an incident{wanted}", f"it has {found}")
        return self

    def has_no_incident(self) -> Self:
        """Expect that no incident is open."""
        __tracebackhide__ = True
        if found := self._view.incidents(self.key):
            self._fail("to have no incident", f"it has {len(found)}")
        return self

    # --- its marks and its calls

    def has_business_id(self, business_id: str) -> Self:
        """Expect this business id."""
        __tracebackhide__ = True
        found = [row.business_id for row in self._view.rows(BusinessId, process_instance_key=self.key)]
        if business_id not in found:
            self._fail(f"to have the business id '{business_id}'", f"it has {_listed(found) if found else 'none'}")
        return self

    def _called(self, process_id: str) -> int:
        """Return the key of the newest instance of a process that this one has called."""
        __tracebackhide__ = True
        origins = self._view.rows(InstanceOrigin, parent_process_instance_key=self.key)
        found = [row.process_instance_key for row in origins if row.bpmn_process_id == process_id]
        if not found:
            called = _listed([row.bpmn_process_id for row in origins]) if origins else "none"
            self._fail(f"to have called '{process_id}'", f"it has called {called}")
        return found[-1]

    # --- failing

    def __repr__(self) -> str:
        return f"<process instance {self.key} of {self.process_id}: {self.state}>\n{story(self._view, self.row)}"

    def _fail(self, expected: str, found: str) -> NoReturn:
        __tracebackhide__ = True
        process = self.row
        raise AssertionError(
            f"Expected process instance {self.key} of {process.element_id} {expected}, but {found}\n"
            f"{story(self._view, process)}"
        )

    def _model(self) -> Process:
        key = self.row.process_definition_key
        [definition] = [one for one in self._view.definitions() if one.key == key]
        return self._view.model(definition)

    def _known(self, element: str) -> str:
        """Return the id of an element that is named by its id or its name.

        Raises:
            LookupError: the process has no such element; the text names the nearest.

        """
        __tracebackhide__ = True
        model = self._model()
        if element in model.elements:
            return element
        names = names_of(model)
        if element in names:
            return names[element]
        raise LookupError(_unknown("element", element, model.id, [*model.elements, *names]))

    def _check_flow(self, flow: str) -> None:
        __tracebackhide__ = True
        model = self._model()
        flows = [one.id for element in model.elements.values() for one in element.outgoing]
        if flow not in flows:
            raise LookupError(_unknown("sequence flow", flow, model.id, flows))


def _differences(place: str, expected: Any, found: Any) -> Iterator[tuple[str, str, str]]:
    """Yield each place where two JSON values differ, with what was expected there and what was found; empty for nothing at all.

    A number is no boolean here, as in JSON, though Python compares them.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for name in {**expected, **found}:
            if name in expected and name in found:
                yield from _differences(f"{place}.{name}", expected[name], found[name])
            else:
                yield (
                    f"{place}.{name}",
                    short(expected[name]) if name in expected else "nothing",
                    short(found[name]) if name in found else "",
                )
    elif isinstance(expected, list | tuple) and isinstance(found, list) and len(expected) == len(found):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _differences(f"{place}[{number}]", one, other)
    elif expected != found or isinstance(expected, bool) is not isinstance(found, bool):
        yield place, short(expected), short(found)


def _counted(noun: str, names: Sequence[str]) -> str:
    return noun if len(names) == 1 else f"{noun.removeprefix('a ')}s"


def _unknown(kind: str, given: str, process_id: str, known: Sequence[str]) -> str:
    article = "an" if kind == "element" else "a"
    return f"Expected {article} {kind} of {process_id}, but found '{given}'{did_you_mean(given, known, likeness=0.5)}"


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names) or "nothing"


def _at(element: str) -> str:
    return f" at '{element}'" if element else ""
