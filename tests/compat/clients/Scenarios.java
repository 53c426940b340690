// Plays the scenarios of ../scenarios.py with a published Java client: zeebe-client-java, or its successor camunda-client-java (the names in
// capitals below are replaced when it is built). Arguments: the address of the broker, the folder of the models, and the names of the scenarios.
// Prints one JSON line for each scenario; asks the test by a line with "ask", and reads the answer from standard input.
import CLIENT_PACKAGE.CLIENT_TYPE;
import CLIENT_PACKAGE.api.command.ClientStatusException;
import CLIENT_PACKAGE.api.command.MigrationPlan;
import CLIENT_PACKAGE.api.response.ActivatedJob;
import CLIENT_PACKAGE.api.response.DeploymentEvent;
import CLIENT_PACKAGE.api.worker.JobHandler;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;

public final class Scenarios {
  private static CLIENT_TYPE client;
  private static Path models;
  private static final BufferedReader INPUT = new BufferedReader(new InputStreamReader(System.in));
  private static final Map<String, Callable<Map<String, Object>>> SCENARIOS = new LinkedHashMap<>();

  private static DeploymentEvent deploy(String file) {
    return client.newDeployResourceCommand().addResourceFile(models.resolve(file).toString()).send().join();
  }

  private static long create(String process, Map<String, Object> variables) {
    return client.newCreateInstanceCommand().bpmnProcessId(process).latestVersion().variables(variables).send().join().getProcessInstanceKey();
  }

  private static Map<String, Object> result(String process, Map<String, Object> variables) {
    return client.newCreateInstanceCommand().bpmnProcessId(process).latestVersion().variables(variables)
        .withResult().requestTimeout(Duration.ofSeconds(20)).send().join().getVariablesAsMap();
  }

  private static ActivatedJob activate(String type) {
    List<ActivatedJob> jobs = client.newActivateJobsCommand().jobType(type).maxJobsToActivate(1).timeout(Duration.ofMinutes(1))
        .workerName("java").requestTimeout(Duration.ofSeconds(10)).send().join().getJobs();
    if (jobs.size() != 1) {
      throw new IllegalStateException("expected a job of type " + type + ", but found " + jobs.size());
    }
    return jobs.get(0);
  }

  private static void complete(ActivatedJob job) {
    client.newCompleteCommand(job.getKey()).send().join();
  }

  private static Map<String, Object> working(String type, boolean streams, JobHandler handler, Callable<Map<String, Object>> during) throws Exception {
    var worker = client.newWorker().jobType(type).handler(handler).pollInterval(Duration.ofMillis(50)).streamEnabled(streams).open();
    try {
      return during.call();
    } finally {
      worker.close();
    }
  }

  private static long ask(String what, Object of) throws IOException {
    System.out.println("{\"ask\": " + json(what) + ", \"of\": " + json(of) + "}");
    return Long.parseLong(INPUT.readLine());
  }

  private static String code(Runnable call) {
    try {
      call.run();
      return "OK";
    } catch (ClientStatusException refusal) {
      return refusal.getStatusCode().name();
    }
  }

  private static void scenarios() {
    JobHandler doubles = (jobs, job) ->
        jobs.newCompleteCommand(job).variables(Map.of("doubled", 2 * (Integer) job.getVariablesAsMap().get("n"))).send().join();
    SCENARIOS.put("topology", () -> {
      var brokers = client.newTopologyRequest().send().join().getBrokers();
      return Map.of("brokers", brokers.size(), "role", brokers.get(0).getPartitions().get(0).getRole().name());
    });
    SCENARIOS.put("deploy", () -> {
      var process = deploy("work.bpmn").getProcesses().get(0);
      return Map.of("process", process.getBpmnProcessId(), "version", process.getVersion());
    });
    SCENARIOS.put("poll", () -> Map.of("doubled", working("work", false, doubles, () -> result("work", Map.of("n", 2))).get("doubled")));
    SCENARIOS.put("stream", () -> {
      deploy("streamed.bpmn");
      return Map.of("doubled", working("streamed", true, doubles, () -> result("streamed", Map.of("n", 3))).get("doubled"));
    });
    SCENARIOS.put("fail", () -> {
      deploy("fail.bpmn");
      var tries = new AtomicInteger();
      JobHandler flaky = (jobs, job) -> {
        if (tries.incrementAndGet() == 1) {
          jobs.newFailCommand(job).retries(job.getRetries() - 1).errorMessage("not yet").send().join();
        } else {
          jobs.newCompleteCommand(job).variables(Map.of("tries", tries.get())).send().join();
        }
      };
      return Map.of("tries", working("fail", false, flaky, () -> result("fail", Map.of())).get("tries"));
    });
    SCENARIOS.put("error", () -> {
      deploy("error.bpmn");
      JobHandler throwing = (jobs, job) -> jobs.newThrowErrorCommand(job).errorCode("E").send().join();
      return Map.of("outcome", working("error", false, throwing, () -> result("error", Map.of())).get("outcome"));
    });
    SCENARIOS.put("message", () -> {
      deploy("message.bpmn");
      client.newPublishMessageCommand().messageName("go").correlationKey("java-1").timeToLive(Duration.ofMinutes(1))
          .variables(Map.of("said", "hello")).send().join();
      return Map.of("said", result("message", Map.of("k", "java-1")).get("said"));
    });
    SCENARIOS.put("signal", () -> {
      deploy("signal.bpmn");
      long instance = create("signal", Map.of());
      client.newBroadcastSignalCommand().signalName("go").variables(Map.of("said", "hello")).send().join();
      var job = activate("signalled");
      complete(job);
      return Map.of("said", job.getVariablesAsMap().get("said"), "same", job.getProcessInstanceKey() == instance);
    });
    SCENARIOS.put("incident", () -> {
      deploy("incident.bpmn");
      long instance = create("incident", Map.of());
      client.newSetVariablesCommand(instance).variables(Map.of("kind", "repaired")).send().join();
      client.newResolveIncidentCommand(ask("incident", instance)).send().join();
      var job = activate("repaired");
      complete(job);
      return Map.of("same", job.getProcessInstanceKey() == instance);
    });
    SCENARIOS.put("retries", () -> {
      deploy("again.bpmn");
      create("again", Map.of("n", 1));
      var job = activate("again");
      client.newUpdateRetriesCommand(job.getKey()).retries(7).send().join();
      client.newUpdateTimeoutCommand(job.getKey()).timeout(0).send().join();
      var again = activate("again");
      complete(again);
      return Map.of("retries", again.getRetries(), "same", again.getKey() == job.getKey());
    });
    SCENARIOS.put("cancel", () -> {
      long instance = create("again", Map.of("n", 1));
      client.newCancelInstanceCommand(instance).send().join();
      return Map.of("again", code(() -> client.newCancelInstanceCommand(instance).send().join()));
    });
    SCENARIOS.put("modify", () -> {
      deploy("steps.bpmn");
      long instance = create("steps", Map.of());
      var job = activate("step_a");
      client.newModifyProcessInstanceCommand(instance).activateElement("b").and().terminateElement(job.getElementInstanceKey()).send().join();
      var at = activate("step_b");
      complete(at);
      return Map.of("at", at.getElementId(), "same", at.getProcessInstanceKey() == instance);
    });
    SCENARIOS.put("migrate", () -> {
      long target = deploy("migrated.bpmn").getProcesses().get(0).getProcessDefinitionKey();
      long instance = create("steps", Map.of());
      var plan = MigrationPlan.newBuilder().withTargetProcessDefinitionKey(target).addMappingInstruction("a", "x").build();
      client.newMigrateProcessInstanceCommand(instance).migrationPlan(plan).send().join();
      var job = activate("step_a");
      complete(job);
      var next = activate("step_y");
      complete(next);
      return Map.of("was", job.getElementId(), "at", next.getElementId(), "process", next.getBpmnProcessId());
    });
    SCENARIOS.put("decision", () -> {
      deploy("dish.dmn");
      var command = client.newEvaluateDecisionCommand().decisionId("dish").variables(Map.of("season", "winter"));
      return Map.of("output", command.send().join().getDecisionOutput());
    });
    SCENARIOS.put("delete", () -> {
      long key = deploy("gone.bpmn").getProcesses().get(0).getProcessDefinitionKey();
      client.newDeleteResourceCommand(key).send().join();
      return Map.of("create", code(() -> create("gone", Map.of())));
    });
    SCENARIOS.put("refused", () -> {
      try {
        create("nowhere", Map.of());
        return Map.of();
      } catch (ClientStatusException refusal) {
        return Map.of("code", refusal.getStatusCode().name(), "names", refusal.getMessage().contains("'nowhere'"));
      }
    });
    SCENARIOS.put("restart", () -> {
      deploy("any.bpmn");
      // Short polls at the start and after a failure, and else none for an hour: nearly all jobs come from the stream.
      var worker = client.newWorker().jobType("by_stream").handler(doubles).pollInterval(Duration.ofHours(1))
          .requestTimeout(Duration.ofMillis(1)).streamEnabled(true).open();
      try {
        return working("by_poll", false, doubles, () -> Map.of("worked", ask("restart", "by_poll by_stream")));
      } finally {
        worker.close();
      }
    });
    SCENARIOS.put("silence", () -> {
      var type = "silence" + ProcessHandle.current().pid();
      var polled = client.newActivateJobsCommand().jobType(type).maxJobsToActivate(1).timeout(Duration.ofMinutes(1))
          .workerName("java").requestTimeout(Duration.ofMinutes(10)).send();
      long instance = ask("silence", type);
      return Map.of("same", polled.join().getJobs().get(0).getProcessInstanceKey() == instance);
    });
  }

  private static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      var fields = map.entrySet().stream().map(field -> json(field.getKey()) + ": " + json(field.getValue()));
      return "{" + String.join(", ", fields.toList()) + "}";
    }
    if (value instanceof Number || value instanceof Boolean) {
      return value.toString();
    }
    return '"' + String.valueOf(value).replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", " ") + '"';
  }

  public static void main(String[] arguments) throws Exception {
    models = Path.of(arguments[1]);
    String ca = System.getenv("TEST_CA"); // of a door with TLS
    var builder = CLIENT_TYPE.newClientBuilder().grpcAddress(URI.create((ca == null ? "http://" : "https://") + arguments[0])).preferRestOverGrpc(false);
    client = ca == null ? builder.USE_PLAINTEXT build() : builder.caCertificatePath(ca).build();
    scenarios();
    for (String name : List.of(arguments).subList(2, arguments.length)) {
      String field = "saw";
      Object found;
      try {
        found = SCENARIOS.get(name).call();
      } catch (Exception failure) {
        field = "failed";
        found = failure;
      }
      System.out.println("{\"scenario\": " + json(name) + ", " + json(field) + ": " + json(found) + "}");
    }
    client.close();
    System.exit(0);
  }
}
