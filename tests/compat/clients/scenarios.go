// Plays the scenarios of ../scenarios.py with the published Go client. Arguments: the address of the broker, the folder of the models, and the
// names of the scenarios. Prints one JSON line for each scenario; asks the test by a line with "ask", and reads the answer from standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/camunda/zeebe/clients/go/v8/pkg/entities"
	"github.com/camunda/zeebe/clients/go/v8/pkg/pb"
	"github.com/camunda/zeebe/clients/go/v8/pkg/worker"
	"github.com/camunda/zeebe/clients/go/v8/pkg/zbc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type seen = map[string]any

var (
	client zbc.Client
	models string
	input  = bufio.NewScanner(os.Stdin)
)

func check[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func within() context.Context {
	ctx, _ := context.WithTimeout(context.Background(), 20*time.Second)
	return ctx
}

func deploy(file string) *pb.DeployResourceResponse {
	return check(client.NewDeployResourceCommand().AddResourceFile(filepath.Join(models, file)).Send(within()))
}

func create(process string, variables seen) int64 {
	command := check(client.NewCreateInstanceCommand().BPMNProcessId(process).LatestVersion().VariablesFromMap(variables))
	return check(command.Send(within())).ProcessInstanceKey
}

func result(process string, variables seen) seen {
	command := check(client.NewCreateInstanceCommand().BPMNProcessId(process).LatestVersion().VariablesFromMap(variables))
	answer := check(command.WithResult().Send(within()))
	found := seen{}
	check(0, json.Unmarshal([]byte(answer.Variables), &found))
	return found
}

func activate(kind string) entities.Job {
	jobs := check(client.NewActivateJobsCommand().JobType(kind).MaxJobsToActivate(1).Timeout(time.Minute).WorkerName("go").Send(within()))
	if len(jobs) != 1 {
		panic(fmt.Sprintf("expected a job of type %s, but found %d", kind, len(jobs)))
	}
	return jobs[0]
}

func complete(job entities.Job) {
	check(client.NewCompleteJobCommand().JobKey(job.Key).Send(within()))
}

func working(kind string, streams bool, handler worker.JobHandler, during func()) {
	step := client.NewJobWorker().JobType(kind).Handler(handler).PollInterval(50 * time.Millisecond).RequestTimeout(time.Second)
	if streams {
		step = step.StreamEnabled(true)
	}
	opened := step.Open()
	defer opened.AwaitClose()
	defer opened.Close()
	during()
}

func double(jobs worker.JobClient, job entities.Job) {
	variables := check(job.GetVariablesAsMap())
	command := check(jobs.NewCompleteJobCommand().JobKey(job.Key).VariablesFromMap(seen{"doubled": 2 * variables["n"].(float64)}))
	_, _ = command.Send(within()) // a broker that is killed in this moment has completed the job, but gives no answer
}

func ask(what string, of any) int64 {
	fmt.Println(string(check(json.Marshal(seen{"ask": what, "of": of}))))
	input.Scan()
	return check(strconv.ParseInt(input.Text(), 10, 64))
}

func code(err error) string {
	if status.Code(err) == codes.NotFound {
		return "NOT_FOUND"
	}
	return fmt.Sprint(err)
}

var scenarios = []struct {
	name string
	play func() seen
}{
	{"topology", func() seen {
		answer := check(client.NewTopologyCommand().Send(within()))
		return seen{"brokers": len(answer.Brokers), "role": answer.Brokers[0].Partitions[0].Role.String()}
	}},
	{"deploy", func() seen {
		answer := deploy("work.bpmn")
		return seen{"process": answer.Deployments[0].GetProcess().BpmnProcessId, "version": answer.Deployments[0].GetProcess().Version}
	}},
	{"poll", func() (found seen) {
		working("work", false, double, func() { found = result("work", seen{"n": 2}) })
		return seen{"doubled": found["doubled"]}
	}},
	{"stream", func() (found seen) {
		deploy("streamed.bpmn")
		working("streamed", true, double, func() { found = result("streamed", seen{"n": 3}) })
		return seen{"doubled": found["doubled"]}
	}},
	{"fail", func() (found seen) {
		deploy("fail.bpmn")
		tries := 0
		working("fail", false, func(jobs worker.JobClient, job entities.Job) {
			if tries++; tries == 1 {
				check(jobs.NewFailJobCommand().JobKey(job.Key).Retries(job.Retries - 1).ErrorMessage("not yet").Send(within()))
				return
			}
			command := check(jobs.NewCompleteJobCommand().JobKey(job.Key).VariablesFromMap(seen{"tries": tries}))
			check(command.Send(within()))
		}, func() { found = result("fail", seen{}) })
		return seen{"tries": found["tries"]}
	}},
	{"error", func() (found seen) {
		deploy("error.bpmn")
		working("error", false, func(jobs worker.JobClient, job entities.Job) {
			check(jobs.NewThrowErrorCommand().JobKey(job.Key).ErrorCode("E").Send(within()))
		}, func() { found = result("error", seen{}) })
		return seen{"outcome": found["outcome"]}
	}},
	{"message", func() seen {
		deploy("message.bpmn")
		command := check(client.NewPublishMessageCommand().MessageName("go").CorrelationKey("go-1").TimeToLive(time.Minute).VariablesFromMap(seen{"said": "hello"}))
		check(command.Send(within()))
		return seen{"said": result("message", seen{"k": "go-1"})["said"]}
	}},
	{"signal", func() seen {
		deploy("signal.bpmn")
		instance := create("signal", seen{})
		command := check(client.NewBroadcastSignalCommand().SignalName("go").VariablesFromMap(seen{"said": "hello"}))
		check(command.Send(within()))
		job := activate("signalled")
		said := check(job.GetVariablesAsMap())["said"]
		complete(job)
		return seen{"said": said, "same": job.ProcessInstanceKey == instance}
	}},
	{"incident", func() seen {
		deploy("incident.bpmn")
		instance := create("incident", seen{})
		command := check(client.NewSetVariablesCommand().ElementInstanceKey(instance).VariablesFromMap(seen{"kind": "repaired"}))
		check(command.Send(within()))
		check(client.NewResolveIncidentCommand().IncidentKey(ask("incident", instance)).Send(within()))
		job := activate("repaired")
		complete(job)
		return seen{"same": job.ProcessInstanceKey == instance}
	}},
	{"retries", func() seen {
		deploy("again.bpmn")
		create("again", seen{"n": 1})
		job := activate("again")
		check(client.NewUpdateJobRetriesCommand().JobKey(job.Key).Retries(7).Send(within()))
		check(client.NewUpdateJobTimeoutCommand().JobKey(job.Key).Timeout(0).Send(within()))
		again := activate("again")
		complete(again)
		return seen{"retries": again.Retries, "same": again.Key == job.Key}
	}},
	{"cancel", func() seen {
		instance := create("again", seen{"n": 1})
		check(client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(within()))
		_, err := client.NewCancelInstanceCommand().ProcessInstanceKey(instance).Send(within())
		return seen{"again": code(err)}
	}},
	{"decision", func() seen {
		deploy("dish.dmn")
		command := check(client.NewEvaluateDecisionCommand().DecisionId("dish").VariablesFromMap(seen{"season": "winter"}))
		return seen{"output": check(command.Send(within())).DecisionOutput}
	}},
	{"delete", func() seen {
		key := deploy("gone.bpmn").Deployments[0].GetProcess().ProcessDefinitionKey
		check(client.NewDeleteResourceCommand().ResourceKey(key).Send(within()))
		_, err := client.NewCreateInstanceCommand().BPMNProcessId("gone").LatestVersion().Send(within())
		return seen{"create": code(err)}
	}},
	{"refused", func() seen {
		_, err := client.NewCreateInstanceCommand().BPMNProcessId("nowhere").LatestVersion().Send(within())
		return seen{"code": code(err), "names": strings.Contains(status.Convert(err).Message(), "'nowhere'")}
	}},
	{"restart", func() (found seen) {
		deploy("any.bpmn")
		// Short polls at the start and after each job, and else none for an hour: the first job after a restart comes from the stream.
		opened := client.NewJobWorker().JobType("by_stream").Handler(double).PollInterval(time.Hour).RequestTimeout(time.Millisecond).
			StreamEnabled(true).Open()
		defer opened.AwaitClose()
		defer opened.Close()
		working("by_poll", false, double, func() { found = seen{"worked": ask("restart", "by_poll by_stream")} })
		return found
	}},
	{"silence", func() seen {
		kind := fmt.Sprint("silence", os.Getpid())
		polled := make(chan entities.Job)
		go func() {
			ctx, _ := context.WithTimeout(context.Background(), 10*time.Minute)
			polled <- check(client.NewActivateJobsCommand().JobType(kind).MaxJobsToActivate(1).WorkerName("go").Send(ctx))[0]
		}()
		instance := ask("silence", kind)
		job := <-polled
		return seen{"same": job.ProcessInstanceKey == instance}
	}},
}

func played(play func() seen) (found seen, failure any) {
	defer func() { failure = recover() }()
	return play(), nil
}

func main() {
	models = os.Args[2]
	ca := os.Getenv("TEST_CA") // of a door with TLS
	client = check(zbc.NewClient(&zbc.ClientConfig{GatewayAddress: os.Args[1], UsePlaintextConnection: ca == "", CaCertificatePath: ca}))
	for _, scenario := range scenarios {
		if !slices.Contains(os.Args[3:], scenario.name) {
			continue
		}
		found, failure := played(scenario.play)
		line := seen{"scenario": scenario.name, "saw": found}
		if failure != nil {
			line = seen{"scenario": scenario.name, "failed": fmt.Sprint(failure)}
		}
		fmt.Println(string(check(json.Marshal(line))))
	}
}
