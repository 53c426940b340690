// Plays the REST scenarios of ../scenarios.py with the published camunda-client-java over REST alone. Arguments: the address of the REST API, the
// folder of the models, and the names of the scenarios. CAMUNDA_BASIC_AUTH_USERNAME and CAMUNDA_BASIC_AUTH_PASSWORD sign in. Prints one JSON line for each scenario.
import io.camunda.client.CamundaClient;
import io.camunda.client.CredentialsProvider;
import io.camunda.client.api.command.ProblemException;
import io.camunda.client.api.response.ActivatedJob;
import io.camunda.client.api.response.DeploymentEvent;
import io.camunda.client.api.search.enums.ElementInstanceState;
import io.camunda.client.api.search.enums.UserTaskState;
import io.camunda.client.api.search.response.BatchOperation;
import io.camunda.client.api.search.response.ElementInstance;
import io.camunda.client.api.worker.JobHandler;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

public final class RestScenarios {
  private static CamundaClient client;
  private static Path models;
  private static final Map<String, Callable<Map<String, Object>>> SCENARIOS = new LinkedHashMap<>();

  private static DeploymentEvent deploy(String file) {
    return client.newDeployResourceCommand().addResourceFile(models.resolve(file).toString()).send().join();
  }

  private static long create(String process, Map<String, Object> variables) {
    return client.newCreateInstanceCommand().bpmnProcessId(process).latestVersion().variables(variables).send().join().getProcessInstanceKey();
  }

  private static ActivatedJob activate(String type) {
    List<ActivatedJob> jobs = client.newActivateJobsCommand().jobType(type).maxJobsToActivate(1).timeout(Duration.ofMinutes(1))
        .workerName("java").requestTimeout(Duration.ofSeconds(10)).send().join().getJobs();
    if (jobs.size() != 1) {
      throw new IllegalStateException("expected a job of type " + type + ", but found " + jobs.size());
    }
    return jobs.get(0);
  }

  // The variables of an instance; their values are JSON already.
  private static Map<String, Object> variables(long instance) {
    var found = new TreeMap<String, Object>();
    client.newVariableSearchRequest().filter(filter -> filter.processInstanceKey(instance).scopeKey(instance)).send().join().items()
        .forEach(one -> found.put(one.getName(), new Json(one.getValue())));
    return found;
  }

  private static String state(long instance) {
    return client.newProcessInstanceGetRequest(instance).send().join().getState().name();
  }

  // The status of a refusal as the client shows it; 0 if the call was not refused.
  private static int refusal(Runnable call) {
    try {
      call.run();
      return 0;
    } catch (ProblemException refused) {
      return refused.code();
    }
  }

  private static Map<String, Object> with(Map<String, Object> one, Map<String, Object> more) {
    var all = new LinkedHashMap<String, Object>(one);
    all.putAll(more);
    return all;
  }

  private static void scenarios() {
    SCENARIOS.put("topology", () -> {
      var brokers = client.newTopologyRequest().useRest().send().join().getBrokers();
      return Map.of("brokers", brokers.size(), "role", brokers.get(0).getPartitions().get(0).getRole().name().toLowerCase());
    });
    SCENARIOS.put("deploy", () -> {
      var process = deploy("work.bpmn").getProcesses().get(0);
      return Map.of("process", process.getBpmnProcessId(), "version", process.getVersion());
    });
    SCENARIOS.put("work", () -> {
      deploy("work.bpmn");
      long instance = create("work", Map.of("n", 2));
      var job = activate("work");
      client.newCompleteCommand(job).variables(Map.of("doubled", 2 * (Integer) job.getVariablesAsMap().get("n"))).send().join();
      return with(Map.of("state", state(instance)), variables(instance));
    });
    SCENARIOS.put("fail", () -> {
      deploy("fail.bpmn");
      create("fail", Map.of());
      var first = activate("fail");
      client.newFailCommand(first).retries(1).errorMessage("no").send().join();
      var again = activate("fail");
      client.newCompleteCommand(again).send().join();
      return Map.of("same", first.getKey() == again.getKey(), "retries", again.getRetries());
    });
    SCENARIOS.put("error", () -> {
      deploy("error.bpmn");
      JobHandler throwing = (jobs, job) -> jobs.newThrowErrorCommand(job).errorCode("E").send().join();
      try (var worker = client.newWorker().jobType("error").handler(throwing).pollInterval(Duration.ofMillis(50)).open()) {
        return client.newCreateInstanceCommand().bpmnProcessId("error").latestVersion().withResult()
            .requestTimeout(Duration.ofSeconds(20)).send().join().getVariablesAsMap();
      }
    });
    SCENARIOS.put("message", () -> {
      deploy("message.bpmn");
      long instance = create("message", Map.of("k", "7"));
      var reached = client.newCorrelateMessageCommand().messageName("go").correlationKey("7").variables(Map.of("said", "hello")).send().join();
      return Map.of("same", reached.getProcessInstanceKey() == instance, "said", variables(instance).get("said"));
    });
    SCENARIOS.put("incident", () -> {
      deploy("work.bpmn");
      long instance = create("work", Map.of("n", 1));
      var job = activate("work");
      client.newFailCommand(job).retries(0).errorMessage("broken").send().join();
      var incident = client.newIncidentSearchRequest().filter(filter -> filter.processInstanceKey(instance)).send().join().items().get(0);
      client.newUpdateRetriesCommand(job.getKey()).retries(2).send().join();
      client.newResolveIncidentCommand(incident.getIncidentKey()).send().join();
      var again = activate("work");
      client.newCompleteCommand(again).send().join();
      return Map.of("message", incident.getErrorMessage(), "retries", again.getRetries());
    });
    SCENARIOS.put("cancel", () -> {
      deploy("steps.bpmn");
      long instance = create("steps", Map.of());
      client.newCancelInstanceCommand(instance).send().join();
      int again = refusal(() -> client.newCancelInstanceCommand(instance).send().join());
      return Map.of("state", state(instance), "again", again);
    });
    SCENARIOS.put("modify", () -> {
      deploy("steps.bpmn");
      long instance = create("steps", Map.of());
      client.newModifyProcessInstanceCommand(instance).moveElements("a", "b").send().join();
      var active = client.newElementInstanceSearchRequest()
          .filter(filter -> filter.processInstanceKey(instance).state(ElementInstanceState.ACTIVE)).send().join().items();
      var at = active.stream().map(ElementInstance::getElementId).filter(id -> !id.equals("steps")).sorted().toList();
      client.newCancelInstanceCommand(instance).send().join();
      return Map.of("at", at);
    });
    SCENARIOS.put("batch", () -> {
      deploy("steps.bpmn");
      var keys = new ArrayList<Long>();
      for (int number = 0; number < 3; number++) {
        keys.add(create("steps", Map.of()));
      }
      String key = client.newCreateBatchOperationCommand().processInstanceCancel()
          .filter(filter -> filter.processInstanceKey(one -> one.in(keys))).send().join().getBatchOperationKey();
      BatchOperation seen;
      do {
        seen = client.newBatchOperationGetRequest(key).send().join();
      } while (seen.getEndDate() == null);
      return Map.of("state", seen.getStatus().name(), "completed", seen.getOperationsCompletedCount());
    });
    SCENARIOS.put("decision", () -> {
      deploy("dish.dmn");
      var command = client.newEvaluateDecisionCommand().decisionId("dish").variables(Map.of("season", "winter"));
      return Map.of("output", command.send().join().getDecisionOutput());
    });
    SCENARIOS.put("task", () -> {
      deploy("dinner.bpmn");
      long instance = create("dinner", Map.of());
      var task = client.newUserTaskSearchRequest().filter(filter -> filter.processInstanceKey(instance).state(UserTaskState.CREATED))
          .send().join().items().get(0);
      long key = task.getUserTaskKey();
      client.newAssignUserTaskCommand(key).assignee("demo").allowOverride(false).send().join();
      int second = refusal(() -> client.newAssignUserTaskCommand(key).assignee("anna").allowOverride(false).send().join());
      client.newCompleteUserTaskCommand(key).variables(Map.of("dinner", "chicken")).send().join();
      var done = client.newUserTaskGetRequest(key).send().join();
      return Map.of("name", task.getName(), "groups", task.getCandidateGroups(), "second", second, "state", done.getState().name(),
          "assignee", done.getAssignee(), "variables", variables(instance));
    });
    SCENARIOS.put("refused", () -> {
      try {
        create("no-such-process", Map.of());
        return Map.of();
      } catch (ProblemException refused) {
        return Map.of("code", refused.code(), "names", refused.details().getDetail().contains("no-such-process"));
      }
    });
    SCENARIOS.put("stranger", () -> Map.of("code", refusal(() -> deploy("work.bpmn"))));
  }

  private record Json(String text) {}

  private static String json(Object value) {
    if (value instanceof Json ready) {
      return ready.text();
    }
    if (value instanceof Map<?, ?> map) {
      return "{" + String.join(", ", map.entrySet().stream().map(field -> json(field.getKey()) + ": " + json(field.getValue())).toList()) + "}";
    }
    if (value instanceof List<?> list) {
      return "[" + String.join(", ", list.stream().map(RestScenarios::json).toList()) + "]";
    }
    if (value instanceof Number || value instanceof Boolean) {
      return value.toString();
    }
    return '"' + String.valueOf(value).replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", " ") + '"';
  }

  public static void main(String[] arguments) throws Exception {
    models = Path.of(arguments[1]);
    var builder = CamundaClient.newClientBuilder().restAddress(URI.create(arguments[0])).preferRestOverGrpc(true);
    if (System.getenv("CAMUNDA_BASIC_AUTH_USERNAME") != null) {
      builder.credentialsProvider(CredentialsProvider.newBasicAuthCredentialsProviderBuilder()
          .username(System.getenv("CAMUNDA_BASIC_AUTH_USERNAME")).password(System.getenv("CAMUNDA_BASIC_AUTH_PASSWORD")).build());
    }
    client = builder.build();
    scenarios();
    for (String name : List.of(arguments).subList(2, arguments.length)) {
      String field = "saw";
      Object found;
      try {
        found = SCENARIOS.get(name).call();
      } catch (Exception failure) {
        field = "failed";
        found = failure instanceof ExecutionException ? failure.getCause() : failure;
      }
      System.out.println("{\"scenario\": " + json(name) + ", " + json(field) + ": " + json(found) + "}");
    }
    client.close();
    System.exit(0);
  }
}
