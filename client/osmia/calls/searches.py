"""Searches: lists of instances, jobs, incidents, definitions, variables, timers, subscriptions, messages, decisions (`osmia.v1.Queries`).

Only Osmia answers these calls. A Zeebe gateway raises `Unimplemented`.
"""

from collections.abc import Iterable

from osmia import variables as variables_json
from osmia.arguments import calls_of
from osmia.calls.call import Calls
from osmia.calls.fields import fields_of, numbers_of, value_of
from osmia.history import DecisionEvaluation, DecisionEvaluationState, TakenFlow
from osmia.results import (
    BufferedMessage,
    ElementInstance,
    Incident,
    IncidentState,
    InstanceState,
    JobInfo,
    JobState,
    MatchedRule,
    Page,
    PartitionStatus,
    ProcessDefinition,
    ProcessInstance,
    Status,
    Subscription,
    SubscriptionKind,
    SubscriptionState,
    Timer,
    TimerState,
    Variable,
)
from osmia_proto import queries

DEFAULT_LIMIT = 50
_INSTANCE = "PROCESS_INSTANCE_STATE_"
_ELEMENT = "ELEMENT_INSTANCE_STATE_"
_JOB = "JOB_STATE_"
_INCIDENT = "INCIDENT_STATE_"
_TIMER = "TIMER_STATE_"
_KIND = "SUBSCRIPTION_KIND_"
_SUBSCRIPTION = "SUBSCRIPTION_STATE_"
_EVALUATION = "DECISION_EVALUATION_STATE_"


@calls_of("Client")
class SearchCalls(Calls):
    """Search instances, jobs, incidents, definitions, variables, timers, subscriptions, messages and evaluated decisions.

    A search returns a page of at most *limit* items (1 to 1000), newest first. To get the next page, give the `next` of the
    last one as *after*. An item must match all filters that are given.
    """

    async def search_instances(
        self,
        *,
        bpmn_process_id: str = "",
        version: int = 0,
        process_definition_key: int = 0,
        states: Iterable[InstanceState | str] = (),
        has_incident: bool | None = None,
        parent_key: int = 0,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[ProcessInstance]:
        """Return process instances, each with its active elements. With *parent_key*, only those that this instance has called.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchProcessInstances",
            queries.SearchProcessInstancesRequest(
                bpmn_process_id=bpmn_process_id,
                version=version,
                process_definition_key=process_definition_key,
                states=numbers_of(queries.ProcessInstanceState, _INSTANCE, states),
                has_incident=has_incident,
                parent_process_instance_key=parent_key,
                limit=limit,
                after=after,
            ),
        )
        return Page([_instance(item) for item in answer.items], answer.next)

    async def get_instance(self, process_instance_key: int) -> ProcessInstance:
        """Return one process instance with its active elements.

        Raises:
            NotFound: no instance has that key, or its history has been removed.
        """
        request = queries.GetProcessInstanceRequest(key=process_instance_key)
        return _instance(await self._call("GetProcessInstance", request))

    async def search_jobs(
        self,
        *,
        key: int = 0,
        type: str = "",
        process_instance_key: int = 0,
        user_tasks_only: bool = False,
        states: Iterable[JobState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[JobInfo]:
        """Return jobs, open and ended ones; with *key*, only this one.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchJobs",
            queries.SearchJobsRequest(
                key=key,
                type=type,
                process_instance_key=process_instance_key,
                user_tasks_only=user_tasks_only,
                states=numbers_of(queries.JobState, _JOB, states),
                limit=limit,
                after=after,
            ),
        )
        return Page([_job(item) for item in answer.items], answer.next)

    async def search_incidents(
        self,
        *,
        key: int = 0,
        process_instance_key: int = 0,
        bpmn_process_id: str = "",
        error_type: str = "",
        states: Iterable[IncidentState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Incident]:
        """Return incidents, open and resolved ones; with *key*, only this one.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchIncidents",
            queries.SearchIncidentsRequest(
                key=key,
                process_instance_key=process_instance_key,
                bpmn_process_id=bpmn_process_id,
                error_type=error_type,
                states=numbers_of(queries.IncidentState, _INCIDENT, states),
                limit=limit,
                after=after,
            ),
        )
        return Page([_incident(item) for item in answer.items], answer.next)

    async def search_definitions(
        self,
        *,
        key: int = 0,
        bpmn_process_id: str = "",
        latest_only: bool = False,
        with_draining: bool = False,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[ProcessDefinition]:
        """Return deployed process definitions; each version is an item. With *key*, only this one.

        With *with_draining*, also those that were deleted and of which instances still run.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchProcessDefinitions",
            queries.SearchProcessDefinitionsRequest(
                key=key,
                bpmn_process_id=bpmn_process_id,
                latest_only=latest_only,
                with_draining=with_draining,
                limit=limit,
                after=after,
            ),
        )
        return Page([ProcessDefinition(**fields_of(item)) for item in answer.items], answer.next)

    async def process_xml(self, process_definition_key: int) -> bytes:
        """Return the BPMN file of a process definition. A process without positions gets a layout.

        Raises:
            NotFound: there is no such definition.
        """
        request = queries.GetProcessXmlRequest(process_definition_key=process_definition_key)
        return bytes((await self._call("GetProcessXml", request)).xml)

    async def search_variables(
        self,
        process_instance_key: int,
        *,
        scope_key: int = 0,
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Variable]:
        """Return the variables of one process instance, sorted by scope and then by name.

        Raises:
            InvalidArgument: *process_instance_key* is 0, *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchVariables",
            queries.SearchVariablesRequest(
                process_instance_key=process_instance_key, scope_key=scope_key, limit=limit, after=after
            ),
        )
        return Page([Variable(**fields_of(item, value=value_of(item.value))) for item in answer.items], answer.next)

    async def search_timers(
        self,
        *,
        process_instance_key: int = 0,
        element_id: str = "",
        bpmn_process_id: str = "",
        of_start_event: bool | None = None,
        states: Iterable[TimerState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Timer]:
        """Return timers, waiting and ended ones. *of_start_event*: only those of start events, or (False) only those of instances.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchTimers",
            queries.SearchTimersRequest(
                process_instance_key=process_instance_key,
                element_id=element_id,
                bpmn_process_id=bpmn_process_id,
                of_start_event=of_start_event,
                states=numbers_of(queries.TimerState, _TIMER, states),
                limit=limit,
                after=after,
            ),
        )
        return Page([_timer(item) for item in answer.items], answer.next)

    async def search_subscriptions(
        self,
        *,
        process_instance_key: int = 0,
        element_id: str = "",
        bpmn_process_id: str = "",
        name: str = "",
        correlation_key: str = "",
        kinds: Iterable[SubscriptionKind | str] = (),
        of_start_event: bool | None = None,
        states: Iterable[SubscriptionState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[Subscription]:
        """Return subscriptions to messages, signals and conditions, open and ended ones. *of_start_event* is as in `search_timers`.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchSubscriptions",
            queries.SearchSubscriptionsRequest(
                process_instance_key=process_instance_key,
                element_id=element_id,
                bpmn_process_id=bpmn_process_id,
                name=name,
                correlation_key=correlation_key,
                kinds=numbers_of(queries.SubscriptionKind, _KIND, kinds),
                of_start_event=of_start_event,
                states=numbers_of(queries.SubscriptionState, _SUBSCRIPTION, states),
                limit=limit,
                after=after,
            ),
        )
        return Page([_subscription(item) for item in answer.items], answer.next)

    async def search_messages(
        self,
        *,
        name: str = "",
        correlation_key: str = "",
        message_id: str = "",
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[BufferedMessage]:
        """Return the published messages that are buffered now.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchMessages",
            queries.SearchMessagesRequest(
                name=name, correlation_key=correlation_key, message_id=message_id, limit=limit, after=after
            ),
        )
        return Page([_message(item) for item in answer.items], answer.next)

    async def search_decision_evaluations(
        self,
        *,
        key: int = 0,
        process_instance_key: int = 0,
        decision_id: str = "",
        states: Iterable[DecisionEvaluationState | str] = (),
        limit: int = DEFAULT_LIMIT,
        after: str = "",
    ) -> Page[DecisionEvaluation]:
        """Return evaluated decisions, each with its inputs and the rules that matched; with *key*, those of one evaluation.

        Raises:
            InvalidArgument: *limit* is out of range or *after* is no cursor of this list.
        """
        answer = await self._call(
            "SearchDecisionEvaluations",
            queries.SearchDecisionEvaluationsRequest(
                key=key,
                process_instance_key=process_instance_key,
                decision_id=decision_id,
                states=numbers_of(queries.DecisionEvaluationState, _EVALUATION, states),
                limit=limit,
                after=after,
            ),
        )
        return Page([_decision_evaluation(item) for item in answer.items], answer.next)

    async def taken_flows(self, process_instance_key: int) -> list[TakenFlow]:
        """Return the sequence flows that tokens of an instance have taken, each once, in the order in which they were taken first.

        Raises:
            NotFound: no instance has that key, or its history has been removed.
        """
        request = queries.ListTakenSequenceFlowsRequest(process_instance_key=process_instance_key)
        answer = await self._call("ListTakenSequenceFlows", request)
        return [TakenFlow(**fields_of(item)) for item in answer.items]

    async def status(self) -> Status:
        """Return the state of the broker that answers."""
        answer = await self._call("Status", queries.StatusRequest())
        return Status(
            **fields_of(answer, partitions=[PartitionStatus(**fields_of(each)) for each in answer.partitions])
        )


def _instance(item: queries.ProcessInstance) -> ProcessInstance:
    return ProcessInstance(
        key=item.key,
        process_definition_key=item.process_definition_key,
        bpmn_process_id=item.bpmn_process_id,
        version=item.version,
        state=InstanceState(queries.ProcessInstanceState.Name(item.state).removeprefix(_INSTANCE)),
        has_incident=item.has_incident,
        start_ms=item.start_ms,
        end_ms=item.end_ms,
        parent_key=item.parent_process_instance_key,
        elements=[_element(element) for element in item.elements],
        parent_element_key=item.parent_element_instance_key,
        root_key=item.root_process_instance_key,
        business_id=item.business_id,
        tags=list(item.tags),
        suspended_ms=item.suspended_ms,
    )


def _element(element: queries.ElementInstance) -> ElementInstance:
    state = queries.ElementInstanceState.Name(element.state).removeprefix(_ELEMENT)
    return ElementInstance(**fields_of(element, state=state))


def _job(item: queries.Job) -> JobInfo:
    values = fields_of(
        item,
        state=JobState(queries.JobState.Name(item.state).removeprefix(_JOB)),
        candidate_groups=list(item.candidate_groups),
        candidate_users=list(item.candidate_users),
        priority=item.priority if item.HasField("priority") else None,
    )
    return JobInfo(headers=variables_json.decode(values.pop("custom_headers")), **values)


def _incident(item: queries.Incident) -> Incident:
    return Incident(
        **fields_of(item, state=IncidentState(queries.IncidentState.Name(item.state).removeprefix(_INCIDENT)))
    )


def _timer(item: queries.Timer) -> Timer:
    return Timer(**fields_of(item, state=TimerState(queries.TimerState.Name(item.state).removeprefix(_TIMER))))


def _subscription(item: queries.Subscription) -> Subscription:
    kind = SubscriptionKind(queries.SubscriptionKind.Name(item.kind).removeprefix(_KIND))
    state = SubscriptionState(queries.SubscriptionState.Name(item.state).removeprefix(_SUBSCRIPTION))
    return Subscription(**fields_of(item, kind=kind, state=state))


def _message(item: queries.BufferedMessage) -> BufferedMessage:
    variables = value_of(item.variables)
    return BufferedMessage(
        **fields_of(
            item,
            variables=variables if isinstance(variables, dict) else {},
            correlated_process_ids=list(item.correlated_process_ids),
        )
    )


def _decision_evaluation(item: queries.DecisionEvaluation) -> DecisionEvaluation:
    state = DecisionEvaluationState(queries.DecisionEvaluationState.Name(item.state).removeprefix(_EVALUATION))
    rules = [
        MatchedRule(rule.id, rule.index, {output.name or output.id: value_of(output.value) for output in rule.outputs})
        for rule in item.rules
    ]
    return DecisionEvaluation(
        **fields_of(
            item,
            state=state,
            output=value_of(item.output) if item.output else None,
            inputs={one.name or one.id: value_of(one.value) for one in item.inputs},
            rules=rules,
        )
    )
