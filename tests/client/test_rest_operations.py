"""Every operation of the REST API can be had by the SDK, or stands here with the reason why not."""

from operator import attrgetter

import pytest

from osmia import Client, SyncClient
from osmia_broker.calls.lists.lists import ITEMS, LISTS
from osmia_broker.http import api
from osmia_broker.http.operation import OPERATIONS, Operation
from osmia_broker.http.searching import name_of_list

api.load()
BY_NAME = {one.name: one for one in OPERATIONS}

#: By the name of the operation: the method of the client.
METHODS = {
    "activate_ad_hoc_activities": "activate_ad_hoc_elements",
    "activate_jobs": "activate_jobs",
    "answer_user_task_proposal": "user_tasks.answer_proposal",
    "assign_business_id": "assign_business_id",
    "assign_user_task": "user_tasks.assign",
    "broadcast_signal": "broadcast_signal",
    "cancel_batch_operation": "batches.cancel",
    "cancel_process_instance": "cancel_instance",
    "cancel_process_instances": "batches.cancel_instances",
    "claim_next_user_task": "user_tasks.claim_next",
    "comment_user_task": "user_tasks.comment",
    "complete_job": "complete_job",
    "complete_user_task": "user_tasks.complete",
    "correlate_message": "correlate_message",
    "create_deployment": "deploy",
    "create_document": "documents.create",
    "create_document_link": "documents.link",
    "create_global_cluster_variable": "cluster_variables.create",
    "create_global_task_listener": "global_task_listeners.create",
    "create_process_instance": "create_instance",
    "delete_decision_instance": "delete_evaluation",
    "delete_decision_instances": "batches.delete_evaluations",
    "delete_document": "documents.delete",
    "delete_global_cluster_variable": "cluster_variables.delete",
    "delete_global_task_listener": "global_task_listeners.delete",
    "delete_process_instance": "delete_instance",
    "delete_process_instances": "batches.delete_instances",
    "delete_resource": "delete_resource",
    "delete_user_task_filter": "user_tasks.delete_filter",
    "discard_user_task_draft": "user_tasks.save_draft",
    "evaluate_conditionals": "evaluate_conditional",
    "evaluate_decision": "evaluate_decision",
    "evaluate_expression": "evaluate_expression",
    "fail_job": "fail_job",
    "get_document": "documents.read",
    "get_form_by_key": "form",
    "get_global_cluster_variable": "cluster_variables.get",
    "get_process_definition_xml": "process_xml",
    "get_resource_content": "deployed_file",
    "get_resource_content_binary": "deployed_file",
    "get_start_process_form": "start_form",
    "get_decision_requirements_xml": "deployed_file",
    "get_topology": "topology",
    "get_user_task_comments": "user_tasks.comments",
    "get_user_task_draft": "user_tasks.draft",
    "get_user_task_filters": "user_tasks.filters",
    "get_user_task_form": "user_tasks.form",
    "get_user_task_proposals": "user_tasks.proposals",
    "get_user_task_snoozes": "user_tasks.snoozed",
    "hold_user_task_completion": "user_tasks.complete",
    "list_user_tasks": "user_tasks.search",
    "migrate_process_instance": "migrate_instance",
    "migrate_process_instances": "batches.migrate_instances",
    "modify_process_instance": "modify_instance",
    "modify_process_instances": "batches.modify_instances",
    "propose_for_user_task": "user_tasks.propose",
    "publish_message": "publish_message",
    "resolve_incident": "resolve_incident",
    "resolve_incidents": "batches.resolve_incidents",
    "resolve_process_instance_incidents": "batches.resolve_incidents_of",
    "resume_batch_operation": "batches.resume",
    "resume_process_instance": "resume_instance",
    "resume_process_instances": "batches.resume_instances",
    "save_user_task_draft": "user_tasks.save_draft",
    "save_user_task_filter": "user_tasks.save_filter",
    "set_variables": "set_variables",
    "snooze_user_task": "user_tasks.snooze",
    "suspend_batch_operation": "batches.suspend",
    "suspend_process_instance": "suspend_instance",
    "suspend_process_instances": "batches.suspend_instances",
    "throw_job_error": "throw_error",
    "unassign_user_task": "user_tasks.unclaim",
    "undo_user_task": "user_tasks.undo",
    "update_global_cluster_variable": "cluster_variables.update",
    "update_global_task_listener": "global_task_listeners.update",
    "update_job": "update_job_retries",
    "update_jobs": "batches.update_jobs",
    "update_user_task": "user_tasks.update",
    "wake_user_task": "user_tasks.wake",
}

#: By the name of the operation: why the SDK has none.
LEFT_OUT = {
    "change_user_tasks": "a request of a browser, which has few connections: a program makes its calls side by side",
    "create_documents": "a request of a browser, likewise: a program stores one document after the other",
    "get_authentication": "tells a browser who has signed in; a program knows whose credentials it sends",
    "get_decision_definition_xml": "the file of its graph, whose key the item of the decision has: `deployed_file`",
    "get_docs": "a page to read",
    "get_license": "tells a browser of Camunda that there is none",
    "get_openapi": "describes REST",
    "get_own_docs": "a page to read",
    "get_own_openapi": "describes REST",
    "get_status": "gRPC has the health service for it",
    "get_system_configuration": "the settings of REST",
    "pin_clock": "for tests over REST; `osmia.testing` has a clock of its own",
    "reset_clock": "as `pin_clock`",
}


def reads_a_list(one: Operation) -> bool:
    """Whether the operation reads a list, or an item of one: `search_items` and `get_item` have all of them."""
    if one.base != "/v2" or one.method not in ("GET", "POST"):
        return False
    name = name_of_list(one.path)
    if one.method == "GET" and one.path.endswith("}"):
        return name in ITEMS
    return name in LISTS and (one.method == "GET" or one.path.endswith("/search") or "/statistics/" in one.path)


def test_every_operation_can_be_had_by_the_sdk_or_is_left_out_for_a_reason():
    missing = {name for name, one in BY_NAME.items() if not reads_a_list(one)} - {*METHODS} - {*LEFT_OUT}
    assert not missing, f"no method of the SDK, and no reason: {sorted(missing)}"


def test_no_operation_is_named_that_is_none_or_twice():
    assert {*METHODS, *LEFT_OUT} <= {*BY_NAME}
    assert not {*METHODS} & {*LEFT_OUT}
    assert not [name for name in LEFT_OUT if reads_a_list(BY_NAME[name])]


@pytest.mark.parametrize("method", sorted({*METHODS.values(), "search_items", "get_item"}))
def test_both_clients_have_the_method(method: str):
    assert callable(attrgetter(method)(Client("127.0.0.1:9")))
    assert callable(attrgetter(method)(SyncClient("127.0.0.1:9")))
