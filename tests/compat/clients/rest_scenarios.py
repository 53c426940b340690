"""Plays scenarios with the published Python client of the REST API: `rest_scenarios.py ADDRESS MODELS SCENARIO …`.

For each scenario it prints one line of JSON: what the client saw, or how it failed.
"""

import json
import sys
import traceback
from pathlib import Path

from camunda_orchestration_sdk import CamundaClient, errors, models


def main(address, folder, names):
    client = CamundaClient(configuration={"CAMUNDA_REST_ADDRESS": address, "CAMUNDA_SDK_LOG_LEVEL": "silent"})
    play = Scenarios(client, Path(folder))
    for name in names:
        try:
            said = {"scenario": name, "saw": getattr(play, name)()}
        except Exception:  # noqa: BLE001 - the test reports it
            said = {"scenario": name, "failed": traceback.format_exc()[-1_500:]}
        print(json.dumps(said), flush=True)


class Scenarios:
    def __init__(self, client, folder):
        self.client = client
        self.folder = folder

    # --- steps

    def deployed(self, name):
        file = self.folder / name
        return self.client.deploy_resources_from_files([file])

    def created(self, process, await_completion=False, **variables):
        given = models.ProcessInstanceCreationInstructionBaseVariables.from_dict(variables)
        asked = models.ProcessCreationById(
            process_definition_id=process, variables=given, await_completion=await_completion
        )
        return self.client.create_process_instance(data=asked)

    def job(self, type):
        asked = models.JobActivationRequest(type_=type, timeout=60_000, max_jobs_to_activate=1, request_timeout=10_000)
        (job,) = self.client.activate_jobs(data=asked).jobs
        return job

    def complete(self, job, **variables):
        given = models.JobCompletionRequestVariables.from_dict(variables)
        self.client.complete_job(job.job_key, data=models.JobCompletionRequest(variables=given))

    def instance(self, key):
        return self.client.get_process_instance(key)

    def elements(self, key):
        wanted = models.ElementInstanceSearchQuery.from_dict({"filter": {"processInstanceKey": key, "state": "ACTIVE"}})
        return sorted(one.element_id for one in self.client.search_element_instances(data=wanted).items)

    def variables(self, key):
        wanted = models.VariableSearchQuery.from_dict({"filter": {"processInstanceKey": key, "scopeKey": key}})
        return {one.name: json.loads(one.value) for one in self.client.search_variables(data=wanted).items}

    # --- scenarios

    def topology(self):
        seen = self.client.get_topology()
        return {"brokers": len(seen.brokers), "role": str(seen.brokers[0].partitions[0].role.value)}

    def deploy(self):
        process = self.deployed("work.bpmn").processes[0]
        return {"process": process.process_definition_id, "version": process.process_definition_version}

    def work(self):
        self.deployed("work.bpmn")
        key = self.created("work", n=2).process_instance_key
        job = self.job("work")
        n = job.variables.to_dict()["n"]
        self.complete(job, doubled=2 * n)
        return {"state": self.instance(key).state.value, **self.variables(key)}

    def fail(self):
        self.deployed("fail.bpmn")
        self.created("fail")
        first = self.job("fail")
        self.client.fail_job(first.job_key, data=models.JobFailRequest(retries=1, error_message="no"))
        again = self.job("fail")
        self.complete(again)
        return {"same": first.job_key == again.job_key, "retries": again.retries}

    def error(self):
        self.deployed("error.bpmn")
        key = self.created("error").process_instance_key
        self.client.throw_job_error(self.job("error").job_key, data=models.JobErrorRequest(error_code="E"))
        return self.variables(key)

    def message(self):
        self.deployed("message.bpmn")
        key = self.created("message", k="7").process_instance_key
        given = models.MessageCorrelationRequestVariables.from_dict({"said": "hello"})
        asked = models.MessageCorrelationRequest(name="go", correlation_key="7", variables=given)
        reached = self.client.correlate_message(data=asked)
        return {"same": reached.process_instance_key == key, "said": self.variables(key)["said"]}

    def incident(self):
        self.deployed("work.bpmn")
        key = self.created("work", n=1).process_instance_key
        job = self.job("work")
        self.client.fail_job(job.job_key, data=models.JobFailRequest(retries=0, error_message="broken"))
        wanted = models.IncidentSearchQuery.from_dict({"filter": {"processInstanceKey": key}})
        (incident,) = self.client.search_incidents(data=wanted).items
        changes = models.JobChangeset(retries=2)
        self.client.update_job(job.job_key, data=models.JobUpdateRequest(changeset=changes))
        self.client.resolve_incident(incident.incident_key)
        again = self.job("work")
        self.complete(again)
        return {"message": incident.error_message, "retries": again.retries}

    def cancel(self):
        self.deployed("steps.bpmn")
        key = self.created("steps").process_instance_key
        empty = models.CancelProcessInstanceRequest()  # this client cannot send the request without a body
        self.client.cancel_process_instance(key, data=empty)
        try:
            self.client.cancel_process_instance(key, data=empty)
        except errors.NotFoundError as refused:
            return {"state": self.instance(key).state.value, "again": refused.status_code}
        return {}

    def modify(self):
        self.deployed("steps.bpmn")
        key = self.created("steps").process_instance_key
        move = {
            "sourceElementInstruction": {"sourceType": "byId", "sourceElementId": "a"},
            "targetElementId": "b",
        }
        asked = models.ProcessInstanceModificationInstruction.from_dict({"moveInstructions": [move]})
        self.client.modify_process_instance(key, data=asked)
        return {"at": [one for one in self.elements(key) if one in ("a", "b")]}

    def batch(self):
        self.deployed("steps.bpmn")
        keys = [self.created("steps").process_instance_key for _ in range(3)]
        wanted = models.ProcessInstanceCancellationBatchOperationRequest.from_dict(
            {"filter": {"processInstanceKey": {"$in": [str(key) for key in keys]}}}
        )
        batch = self.client.cancel_process_instances_batch_operation(data=wanted)
        while self.client.get_batch_operation(batch.batch_operation_key).end_date is None:
            pass
        found = self.client.get_batch_operation(batch.batch_operation_key)
        return {"state": found.state.value, "completed": found.operations_completed_count}

    def decision(self):
        self.deployed("dish.dmn")
        given = models.DecisionEvaluationByIdVariables.from_dict({"season": "winter"})
        asked = models.DecisionEvaluationByID(decision_definition_id="dish", variables=given)
        return {"output": self.client.evaluate_decision(data=asked).output}

    def task(self):
        self.deployed("dinner.bpmn")
        key = self.created("dinner").process_instance_key
        wanted = models.UserTaskSearchQuery.from_dict({"filter": {"processInstanceKey": key, "state": "CREATED"}})
        (task,) = self.client.search_user_tasks(data=wanted).items
        claim = models.UserTaskAssignmentRequest(assignee="demo", allow_override=False)
        self.client.assign_user_task(task.user_task_key, data=claim)
        try:
            other = models.UserTaskAssignmentRequest(assignee="anna", allow_override=False)
            self.client.assign_user_task(task.user_task_key, data=other)
            second = 204
        except errors.ConflictError as refused:
            second = refused.status_code
        given = models.UserTaskCompletionRequestVariables.from_dict({"dinner": "chicken"})
        self.client.complete_user_task(task.user_task_key, data=models.UserTaskCompletionRequest(variables=given))
        done = self.client.get_user_task(task.user_task_key)
        return {
            "name": task.name,
            "groups": task.candidate_groups,
            "second": second,
            "state": done.state.value,
            "assignee": done.assignee,
            "variables": self.variables(key),
        }

    def stranger(self):
        try:
            self.deployed("work.bpmn")
        except errors.ApiError as refused:
            return {"code": refused.status_code}
        return {}

    def refused(self):
        try:
            self.created("no-such-process")
        except errors.UnexpectedStatus as refused:  # the client's description of this operation lacks 404
            return {"code": refused.status_code, "names": b"no-such-process" in refused.content}
        return {}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
