"""Calls about deployed resources (processes, decisions, forms) and about the brokers."""

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.calls.fields import fields_of, value_of
from osmia.results import (
    Broker,
    DeployedDecision,
    DeployedDecisionRequirements,
    DeployedForm,
    DeployedProcess,
    Deployment,
    DeploymentPlan,
    EvaluatedDecision,
    Evaluation,
    MatchedRule,
    PlannedDefinition,
    Topology,
)
from osmia_proto import gateway, queries

Resource = str | Path | tuple[str, bytes]
"""A file by its path, or a name and the content."""

SHOWN_CHARACTERS = 80  # of a value that is no resource


@dataclass(frozen=True, slots=True)
class EvaluatedExpression:
    """The value of an expression, as JSON gives it, and the reasons why parts of it gave null."""

    value: Any
    warnings: list[str]


@dataclass(frozen=True, slots=True)
class DeployedFile:
    """A file as it was deployed."""

    resource_name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A form; *schema* is its JSON. Of one that stands inside a model, *key* is that of the process definition."""

    key: int
    form_id: str
    version: int
    schema: str


@calls_of("Client")
class ResourceCalls(Calls):
    """Deploy and delete resources, evaluate decisions, list the brokers."""

    async def deploy(self, *resources: Resource, tenant_id: str = "") -> Deployment:
        """Deploy processes (.bpmn, .xml), decisions (.dmn) and forms (.form): all of them or none.

        A resource that equals its latest version keeps its key and version.

        Raises:
            InvalidArgument: a resource is refused; the text names it, the element and the reason.
            OSError: a file cannot be read.
        """
        contents = await asyncio.to_thread(_read, resources)
        answer = await self._call(
            "DeployResource",
            gateway.DeployResourceRequest(
                resources=[gateway.Resource(name=name, content=content) for name, content in contents],
                tenantId=tenant_id,
            ),
        )
        return _deployment(answer)

    async def check_deployment(self, *resources: Resource) -> DeploymentPlan:
        """Return what `deploy` would do with these resources. Nothing is deployed. Only Osmia's broker has this call.

        Raises:
            InvalidArgument: the deployment would be refused; the text is that of `deploy`.
            OSError: a file cannot be read.
        """
        contents = await asyncio.to_thread(_read, resources)
        request = queries.CheckDeploymentRequest(
            files=[queries.CheckedFile(name=name, content=content) for name, content in contents]
        )
        answer = await self._call("CheckDeployment", request)
        definitions = [
            PlannedDefinition(one.kind, one.id, one.version, one.is_new, one.resource_name)
            for one in answer.definitions
        ]
        return DeploymentPlan(definitions, list(answer.warnings))

    async def deploy_process(self, *resources: Resource) -> Deployment:
        """Deploy processes with the older call of gateways before 8.0. Prefer `deploy`.

        Raises:
            InvalidArgument: a resource is refused.
            OSError: a file cannot be read.
        """
        contents = await asyncio.to_thread(_read, resources)
        answer = await self._call(
            "DeployProcess",
            gateway.DeployProcessRequest(
                processes=[gateway.ProcessRequestObject(name=name, definition=content) for name, content in contents]
            ),
        )
        return Deployment(answer.key, processes=[_process(process) for process in answer.processes])

    async def delete_resource(
        self, resource_key: int, *, delete_history: bool | None = None, operation_reference: int | None = None
    ) -> int | None:
        """Delete a process definition, a decision requirements graph or a form.

        A deleted process takes no new instances; those that run go on to their end. Without its latest version, the version
        before it is the latest again. *delete_history* also deletes its process instances that have ended, or the evaluations of
        its decisions. A batch operation does that a little later; its key is returned, and None without one.

        Raises:
            NotFound: there is no such resource.
            InvalidState: instances of it are running; only older Zeebe gateways refuse this.
        """
        answer = await self._call(
            "DeleteResource",
            gateway.DeleteResourceRequest(
                resourceKey=resource_key, deleteHistory=delete_history, operationReference=operation_reference
            ),
        )
        return int(answer.batchOperation.batchOperationKey) if answer.HasField("batchOperation") else None

    async def evaluate_decision(
        self, decision_id: str = "", variables: object = None, *, decision_key: int = 0, tenant_id: str = ""
    ) -> Evaluation:
        """Evaluate the latest version of a decision, or the one with *decision_key*.

        If the evaluation fails, the result has `failure` set; no error is raised.

        Raises:
            InvalidArgument: there is no such decision.
        """
        if bool(decision_id) == bool(decision_key):
            raise ValueError(
                f"Expected either decision_id or decision_key, but found '{decision_id}' and {decision_key}"
            )
        answer = await self._call(
            "EvaluateDecision",
            gateway.EvaluateDecisionRequest(
                decisionId=decision_id,
                decisionKey=decision_key,
                variables=variables_json.encode(variables),
                tenantId=tenant_id,
            ),
        )
        return _evaluation(answer)

    async def delete_evaluation(self, evaluation_key: int) -> None:
        """Delete the evaluation of a decision, with those of the decisions that it required.

        Only Osmia's gateway has this call. For many of them, see `client.batches.delete_evaluations`.

        Raises:
            NotFound: there is no such evaluation.
            Unimplemented: the gateway lacks the call.
        """
        await self._call(
            "DeleteDecisionEvaluation", queries.DeleteDecisionEvaluationRequest(decision_evaluation_key=evaluation_key)
        )

    async def evaluate_expression(
        self, expression: str, variables: object = None, *, scope_key: int = 0
    ) -> EvaluatedExpression:
        """Evaluate an expression, as if it stood in a model: with a leading `=`; without it, it is a text that means itself.

        It sees *variables*, then those of the element instance or process instance *scope_key*, and cluster variables. Only Osmia's gateway has
        this call.

        Raises:
            InvalidArgument: it is no expression, or its evaluation fails.
            NotFound: there is no such scope.
            Overloaded: too many expressions are being evaluated.
            Unimplemented: the gateway lacks the call.
        """
        request = queries.EvaluateExpressionRequest(
            expression=expression, scope_key=scope_key, variables=variables_json.encode(variables)
        )
        answer = await self._call("EvaluateExpression", request)
        return EvaluatedExpression(value_of(answer.value), list(answer.warnings))

    async def deployed_file(self, resource_key: int) -> DeployedFile:
        """Return the file from which a process definition, a graph of decisions or a form was deployed, as it was deployed.

        Raises:
            NotFound: there is nothing with this key.
        """
        answer = await self._call("GetDeployedFile", queries.GetDeployedFileRequest(resource_key=resource_key))
        return DeployedFile(answer.resource_name, answer.content)

    async def form(self, form_key: int) -> Form:
        """Return a deployed form.

        Raises:
            NotFound: there is none with this key.
        """
        return Form(**fields_of(await self._call("GetForm", queries.GetFormRequest(form_key=form_key))))

    async def start_form(self, process_definition_key: int) -> Form | None:
        """Return the form of the start event of a process definition; None if it has none.

        Raises:
            NotFound: there is no such definition.
        """
        request = queries.GetStartFormRequest(process_definition_key=process_definition_key)
        answer = await self._call("GetStartForm", request)
        return Form(**fields_of(answer)) if answer.form_id else None

    async def topology(self) -> Topology:
        """Return the brokers behind the gateway. It answers even if no broker can be reached."""
        answer = await self._call("Topology", gateway.TopologyRequest())
        return Topology(
            gateway_version=answer.gatewayVersion,
            cluster_size=answer.clusterSize,
            partitions=answer.partitionsCount,
            replication_factor=answer.replicationFactor,
            brokers=[_broker(broker) for broker in answer.brokers],
            cluster_id=answer.clusterId,
        )


def _read(resources: Iterable[Resource]) -> list[tuple[str, bytes]]:
    return [_named(one) if isinstance(one, tuple) else _file(one) for one in resources]


def _named(resource: tuple[object, ...]) -> tuple[str, bytes]:
    match resource:
        case (str() as name, bytes() as content):
            return name, content
    types = ", ".join(type(one).__name__ for one in resource)
    raise TypeError(
        f"Expected a resource to be a path, or a name and its bytes, but found a tuple of {types or 'nothing'}"
    )


def _file(path: object) -> tuple[str, bytes]:
    if not isinstance(path, str | os.PathLike):
        found = repr(path)[:SHOWN_CHARACTERS]
        raise TypeError(f"Expected a resource to be a path, or a name and its bytes, but found {found}")
    file = Path(path)
    try:
        return file.name, file.read_bytes()
    except OSError as error:
        text = f"Expected a file to deploy at '{file.absolute()}', but found: {error.strerror}"
        raise OSError(error.errno, text) from None


def _deployment(answer: gateway.DeployResourceResponse) -> Deployment:
    deployment = Deployment(answer.key)
    for deployed in answer.deployments:
        match deployed.WhichOneof("Metadata"):
            case "process":
                deployment.processes.append(_process(deployed.process))
            case "decision":
                deployment.decisions.append(_decision(deployed.decision))
            case "decisionRequirements":
                deployment.decision_requirements.append(_requirements(deployed.decisionRequirements))
            case "form":
                form = deployed.form
                deployment.forms.append(DeployedForm(form.formKey, form.formId, form.version, form.resourceName))
    return deployment


def _process(process: gateway.ProcessMetadata) -> DeployedProcess:
    return DeployedProcess(process.processDefinitionKey, process.bpmnProcessId, process.version, process.resourceName)


def _decision(decision: gateway.DecisionMetadata) -> DeployedDecision:
    return DeployedDecision(
        key=decision.decisionKey,
        decision_id=decision.dmnDecisionId,
        name=decision.dmnDecisionName,
        version=decision.version,
        requirements_id=decision.dmnDecisionRequirementsId,
        requirements_key=decision.decisionRequirementsKey,
    )


def _requirements(graph: gateway.DecisionRequirementsMetadata) -> DeployedDecisionRequirements:
    return DeployedDecisionRequirements(
        key=graph.decisionRequirementsKey,
        requirements_id=graph.dmnDecisionRequirementsId,
        name=graph.dmnDecisionRequirementsName,
        version=graph.version,
        resource_name=graph.resourceName,
    )


def _evaluation(answer: gateway.EvaluateDecisionResponse) -> Evaluation:
    return Evaluation(
        key=answer.decisionEvaluationKey or answer.decisionInstanceKey,
        decision_key=answer.decisionKey,
        decision_id=answer.decisionId,
        decision_name=answer.decisionName,
        decision_version=answer.decisionVersion,
        output=_value(answer.decisionOutput),
        failed_decision_id=answer.failedDecisionId,
        failure=answer.failureMessage,
        decisions=[_evaluated(decision) for decision in answer.evaluatedDecisions],
    )


def _evaluated(decision: gateway.EvaluatedDecision) -> EvaluatedDecision:
    return EvaluatedDecision(
        decision_key=decision.decisionKey,
        decision_id=decision.decisionId,
        decision_name=decision.decisionName,
        decision_version=decision.decisionVersion,
        type=decision.decisionType,
        output=_value(decision.decisionOutput),
        inputs={given.inputName: _value(given.inputValue) for given in decision.evaluatedInputs},
        rules=[_rule(rule) for rule in decision.matchedRules],
    )


def _rule(rule: gateway.MatchedDecisionRule) -> MatchedRule:
    outputs = {output.outputName: _value(output.outputValue) for output in rule.evaluatedOutputs}
    return MatchedRule(rule.ruleId, rule.ruleIndex, outputs)


def _value(text: str) -> Any:
    return msgspec.json.decode(text) if text else None


def _broker(broker: gateway.BrokerInfo) -> Broker:
    role, health = gateway.Partition.PartitionBrokerRole, gateway.Partition.PartitionBrokerHealth
    return Broker(
        node_id=broker.nodeId,
        address=f"{broker.host}:{broker.port}",
        version=broker.version,
        roles={partition.partitionId: role.Name(partition.role) for partition in broker.partitions},
        unhealthy=[each.partitionId for each in broker.partitions if each.health != health.Value("HEALTHY")],
    )
