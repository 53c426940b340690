"""Compile a DMN file to a graph of decisions, or collect all its faults."""

from collections.abc import Callable, Mapping, Sequence

from lxml import etree

from osmia_broker import feel
from osmia_broker.base.counted import counted
from osmia_broker.dmn import requirements
from osmia_broker.dmn.document import attribute, child, children, local_name, read, text_of, vocabulary_of
from osmia_broker.dmn.errors import Fault, InvalidModel, shorten
from osmia_broker.dmn.expressions import Expressions
from osmia_broker.dmn.functions import (
    DecisionService,
    FunctionDefinition,
    Invocation,
    KnowledgeModel,
    ModelFunction,
    Parameter,
)
from osmia_broker.dmn.graph import Decision, DecisionGraph
from osmia_broker.dmn.iterators import Conditional, Filter, For, Quantifier
from osmia_broker.dmn.logic import BoxedContext, BoxedList, Literal, Logic, Relation, Typed, Undefined
from osmia_broker.dmn.table_parser import parse_table
from osmia_broker.dmn.types import Types

# The elements of a decision, an entry or a binding that are no logic; any other element is taken for logic.
_BESIDE_LOGIC = frozenset(
    {
        "description",
        "extensionElements",
        "question",
        "allowedAnswers",
        "variable",
        "parameter",
        "formalParameter",
        "informationRequirement",
        "knowledgeRequirement",
        "authorityRequirement",
        "supportedObjective",
        "impactedPerformanceIndicator",
        "decisionMaker",
        "decisionOwner",
        "usingProcess",
        "usingTask",
    }
)


def parse(resource_name: str, content: bytes) -> DecisionGraph:
    """Compile the decisions of a DMN 1.1 to 1.5 file. *resource_name* is only for texts.

    Raises:
        InvalidModel: the file is no DMN, or has faults: bad FEEL, a requirement that leads nowhere or in a circle, an unknown
            hit policy, an id given twice, ... All faults of a readable file are reported at once.
    """
    root = read(resource_name, content)
    builder = _Builder(root)
    graph = builder.graph(resource_name)
    if builder.expressions.faults:
        raise InvalidModel(resource_name, builder.expressions.faults)
    return graph


_ZEEBE = "http://camunda.org/schema/zeebe/1.0"


class _Builder:
    """Compile one `definitions` element and collect its faults in `expressions.faults`."""

    def __init__(self, root: etree._Element) -> None:
        self._types = Types()
        vocabulary = vocabulary_of(root, self._types.of_model)
        self.expressions = Expressions(attribute(root, "expressionLanguage"), vocabulary)
        self._types.define(root, self.expressions)
        self._root = root
        self._functions: dict[str, ModelFunction] = {}  # knowledge models and decision services by id
        self._functions_by_name: dict[str, ModelFunction | None] = {}  # None until it is built
        self._boxed: dict[str, Callable[[etree._Element], Logic]] = {
            "decisionTable": lambda element: parse_table(element, self.expressions),
            "literalExpression": lambda element: Literal(self.expressions.literal(element)),
            "context": self._context,
            "list": lambda element: BoxedList(
                tuple(self._entry(item) for item in children(element) if _is_logic(item))
            ),
            "relation": self._relation,
            "invocation": self._invocation,
            "functionDefinition": self._function,
            "conditional": lambda element: Conditional(*self._parts(element, "if", "then", "else")),
            "filter": lambda element: Filter(*self._parts(element, "in", "match")),
            "for": lambda element: For(self._variable(element), *self._parts(element, "in", "return")),
            "some": self._quantifier,
            "every": self._quantifier,
        }

    def graph(self, resource_name: str) -> DecisionGraph:
        """Build the whole graph. If there are faults, it must not be used."""
        root = self._root
        if not self._id(root):
            self.expressions.fault(root, "Expected 'definitions' to have an id, but found none")
        elements = self._named("decision")
        services = self._services(elements)
        self._build_models(self._named("businessKnowledgeModel"))
        if not elements:
            self.expressions.fault(root, "Expected at least one decision, but found none")
        edges = self._requirements(elements, "informationRequirement", "requiredDecision", elements)
        self._sort(edges, "decisions")
        decisions = [self._decision(id, element, edges[id]) for id, element in elements.items()]
        return DecisionGraph(resource_name, self._id(root), attribute(root, "name"), decisions, services)

    def _id(self, element: etree._Element) -> str:
        """Return the id of *element*. In the standard dialect, where an id is optional, its name stands in for it."""
        return attribute(element, "id") or (attribute(element, "name") if self.expressions.is_standard else "")

    def _plain(self, name: str) -> str:
        """Return *name* as FEEL reads it: in the standard dialect a run of blanks counts as one."""
        return " ".join(name.split()) if self.expressions.is_standard else name

    def _named(self, tag: str) -> dict[str, etree._Element]:
        """Return the elements with *tag* by id; an element without an id is a fault."""
        found: dict[str, etree._Element] = {}
        for element in children(self._root, tag):
            id = self._id(element)
            if not id:
                self.expressions.fault(element, f"Expected '{tag}' to have an id, but found none")
            elif id in found:
                self.expressions.fault(element, f"Expected the id or name '{shorten(id)}' once, but found it again")
            else:
                found[id] = element
        return found

    def _requirements(
        self, elements: Mapping[str, etree._Element], requirement: str, target: str, known: Mapping[str, object]
    ) -> dict[str, list[str]]:
        """Return the ids that each of *elements* requires, each once; an id that is not *known* is a fault."""
        edges: dict[str, list[str]] = {}
        for id, element in elements.items():
            ids = list(dict.fromkeys(requirements.required(element, requirement, target)))
            self.expressions.faults.extend(requirements.unknown(id, ids, known))
            edges[id] = [each for each in ids if each in known]
        return edges

    def _sort(self, edges: Mapping[str, Sequence[str]], plural: str) -> list[str]:
        try:
            return requirements.sort(edges, plural)
        except ValueError as error:
            self.expressions.faults.append(Fault("", str(error)))
            return []

    def _build_models(self, elements: Mapping[str, etree._Element]) -> None:
        """Build all knowledge models, each after those that it requires or invokes."""
        known = {**self._functions, **elements}
        required = self._requirements(elements, "knowledgeRequirement", "requiredKnowledge", known)
        ids_by_name = {self._plain(_name(element)): id for id, element in elements.items()}
        self._functions_by_name |= dict.fromkeys(ids_by_name)
        invoked = {
            id: [ids_by_name[n] for n in map(self._plain, requirements.invoked(e)) if n in ids_by_name]
            for id, e in elements.items()
        }
        edges = {
            id: [
                each for each in (*required[id], *invoked[id]) if each in elements and not self._is_recursion(id, each)
            ]
            for id in elements
        }
        order = self._sort(edges, "knowledge models")
        for id, levels in requirements.depth(order, edges).items():
            if levels > requirements.KNOWLEDGE_DEPTH_MAX:
                self.expressions.faults.append(
                    Fault(
                        id,
                        f"Expected at most {requirements.KNOWLEDGE_DEPTH_MAX} knowledge models in a chain, but found {levels}",
                    )
                )
        for id in order or elements:
            model = self._model(id, elements[id], required[id])
            self._functions[id] = self._functions_by_name[model.name] = model

    def _is_recursion(self, id: str, required: str) -> bool:
        """Tell whether a knowledge model requires itself, which the standard dialect allows."""
        return id == required and self.expressions.is_standard

    def _model(self, id: str, element: etree._Element, required: Sequence[str]) -> KnowledgeModel:
        body = child(element, "encapsulatedLogic")
        if body is None or attribute(body, "kind") not in {"", "FEEL"}:
            self.expressions.fault(element, "Expected the knowledge model to have logic in FEEL, but found none")
            return KnowledgeModel(id, self._plain(_name(element)), (), BoxedList(()), ())
        parameters = self._parameters(body)
        requires = tuple(self._functions[each] for each in required if each in self._functions)
        is_recursive = self.expressions.is_standard
        return KnowledgeModel(id, self._plain(_name(element)), parameters, self._logic(body), requires, is_recursive)

    def _decision(self, id: str, element: etree._Element, required: Sequence[str]) -> Decision:
        knowledge = self._requirements({id: element}, "knowledgeRequirement", "requiredKnowledge", self._functions)
        variable = child(element, "variable")
        bound = "" if variable is None else attribute(variable, "name")
        models = tuple(self._functions[each] for each in knowledge[id])
        logic = self._decision_logic(element)
        declared = self._types.declared(variable)
        name, tag = _name(element), _version_tag(element)
        return Decision(id, name, self._plain(bound) or id, logic, tuple(required), models, declared, tag)

    def _decision_logic(self, element: etree._Element) -> Logic:
        """Return the logic of a decision. In the standard dialect there may be none, as for a decision that people take."""
        if self.expressions.is_standard and not any(map(_is_logic, children(element))):
            return Undefined()
        return self._logic(element)

    def _services(self, decisions: Mapping[str, etree._Element]) -> dict[str, DecisionService]:
        """Build the decision services, which knowledge models and decisions may call. The reference knows none."""
        services: dict[str, DecisionService] = {}
        inputs = self._named("inputData") if self.expressions.is_standard else {}
        for id, element in self._named("decisionService").items() if self.expressions.is_standard else ():
            input_data = self._links(element, "inputData", inputs)
            input_decisions = self._links(element, "inputDecision", decisions)
            outputs = self._links(element, "outputDecision", decisions)
            if not outputs:
                self.expressions.fault(element, "Expected the decision service to have an output, but found none")
            parameters = (
                *(self._input(each, inputs[each]) for each in input_data),
                *(self._input(each, decisions[each]) for each in input_decisions),
            )
            services[id] = DecisionService(
                id, self._plain(_name(element)), parameters, tuple(input_decisions), tuple(outputs)
            )
        self._functions |= services
        self._functions_by_name |= {service.name: service for service in services.values()}
        return services

    def _links(self, element: etree._Element, tag: str, known: Mapping[str, object]) -> list[str]:
        """Return the ids that the children with *tag* point at; one that is not *known* is a fault."""
        ids = list(dict.fromkeys(requirements.linked(each) for each in children(element, tag)))
        self.expressions.faults.extend(requirements.unknown(self._id(element), ids, known))
        return [id for id in ids if id in known]

    def _input(self, id: str, element: etree._Element) -> Parameter:
        """Return the parameter that stands for input data or for an input decision."""
        variable = child(element, "variable")
        name = "" if variable is None else attribute(variable, "name")
        return Parameter(self._plain(name) or id, self._types.declared(variable))

    def _logic(self, parent: etree._Element) -> Logic:
        """Build the logic inside *parent*; no logic, or an unknown kind, is a fault."""
        element = next((each for each in children(parent) if _is_logic(each)), None)
        if element is None:
            self.expressions.fault(parent, "unsupported decision expression: Expected one, but found none")
            return BoxedList(())
        return self._entry(element)

    def _entry(self, element: etree._Element) -> Logic:
        build = self._boxed.get(local_name(element))
        if build is None:
            self.expressions.fault(element, f"unsupported decision expression '{shorten(local_name(element))}'")
            return BoxedList(())
        declared = self._types.declared_logic(element)
        return build(element) if declared is None else Typed(build(element), declared)

    def _context(self, element: etree._Element) -> Logic:
        entries: list[tuple[str | None, Logic]] = []
        for entry in children(element, "contextEntry"):
            variable = child(entry, "variable")
            entries.append((None if variable is None else self._plain(attribute(variable, "name")), self._logic(entry)))
        return BoxedContext(tuple(entries))

    def _relation(self, element: etree._Element) -> Logic:
        columns = tuple(self._plain(attribute(column, "name")) for column in children(element, "column"))
        rows = []
        for row in children(element, "row"):
            cells = tuple(self._entry(cell) for cell in children(row) if _is_logic(cell))
            if len(cells) != len(columns):
                self.expressions.fault(
                    row, f"Expected {counted(len(columns), 'cell')}, one for each column, but found {len(cells)}"
                )
            rows.append(cells)
        return Relation(columns, tuple(rows))

    def _invocation(self, element: etree._Element) -> Logic:
        name = self._plain(text_of(child(element, "literalExpression")))
        bindings = tuple(self._binding(binding) for binding in children(element, "binding"))
        if name not in self._functions_by_name:
            self.expressions.fault(
                element, f"Expected to invoke a knowledge model, but found none with name '{shorten(name)}'"
            )
        function = self._functions_by_name.get(name)
        return BoxedList(()) if function is None else Invocation(function, bindings)

    def _function(self, element: etree._Element) -> Logic:
        if (kind := attribute(element, "kind")) not in {"", "FEEL"}:
            self.expressions.fault(element, f"Expected a function in FEEL, but found kind '{shorten(kind)}'")
        return FunctionDefinition(self._parameters(element), self._logic(element))

    def _parameters(self, element: etree._Element) -> tuple[Parameter, ...]:
        return tuple(self._parameter(each) for each in children(element, "formalParameter"))

    def _parameter(self, element: etree._Element) -> Parameter:
        return Parameter(self._plain(attribute(element, "name")), self._types.declared(element))

    def _quantifier(self, element: etree._Element) -> Logic:
        parts = self._parts(element, "in", "satisfies")
        return Quantifier(local_name(element), self._variable(element), *parts)

    def _variable(self, element: etree._Element) -> str:
        name = attribute(element, "iteratorVariable")
        if not name:
            self.expressions.fault(element, "Expected an attribute 'iteratorVariable', but found none")
        return self._plain(name)

    def _parts(self, element: etree._Element, *tags: str) -> list[Logic]:
        """Build the logic in the children with *tags*; a missing child is a fault."""
        parts: list[Logic] = []
        for tag in tags:
            part = child(element, tag)
            if part is None:
                self.expressions.fault(element, f"Expected an element '{tag}', but found none")
            parts.append(BoxedList(()) if part is None else self._logic(part))
        return parts

    def _binding(self, element: etree._Element) -> tuple[str, Logic]:
        parameter = child(element, "parameter")
        name = "" if parameter is None else self._plain(attribute(parameter, "name"))
        if not name:
            self.expressions.fault(element, "Expected the binding to name a parameter, but found none")
        return name, self._logic(element)


def _version_tag(element: etree._Element) -> str:
    found = element.find(f"{{*}}extensionElements/{{{_ZEEBE}}}versionTag")
    return "" if found is None else feel.trimmed(found.get("value", ""))


def _is_logic(element: etree._Element) -> bool:
    return local_name(element) not in _BESIDE_LOGIC


def _name(element: etree._Element) -> str:
    return attribute(element, "name") or attribute(element, "id")
