//! Plays the scenarios of ../scenarios.py with the published Rust client. Arguments: the address of the broker, the folder of the models, and the
//! names of the scenarios. Prints one JSON line for each scenario; asks the test by a line with "ask", and reads the answer from standard input.
use serde_json::{Value, json};
use std::{
    env, io,
    path::Path,
    process,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::oneshot, task::JoinHandle};
use zeebe_rs::{ActivatedJob, Client, ClientError, DeployResourceResponse, Metadata, WorkerError};

const WITHIN_S: u64 = 20;
const SILENCE_S: u64 = 600;

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Seen = Result<Value, Failure>;

#[derive(Clone)]
struct Stage {
    client: Client,
    models: String,
}

impl Stage {
    async fn deploy(&self, file: &str) -> Result<DeployResourceResponse, ClientError> {
        let path = Path::new(&self.models).join(file);
        self.client.deploy_resource().with_resource_file(path).read_resource_files()?.send().await
    }

    async fn definition(&self, file: &str) -> Result<(String, i32, i64), Failure> {
        match self.deploy(file).await?.deployments()[0].metadata() {
            Some(Metadata::Process(one)) => Ok((one.bpmn_process_id().to_owned(), one.version(), one.process_definition_key())),
            other => Err(format!("expected a process, but found {other:?}").into()),
        }
    }

    async fn create(&self, process: &str, variables: Value) -> Result<i64, ClientError> {
        let request = self
            .client
            .create_process_instance()
            .with_bpmn_process_id(process.to_owned())
            .with_variables(variables)?;
        Ok(request.with_version(-1).send().await?.process_instance_key())
    }

    async fn result(&self, process: &str, variables: Value) -> Result<Value, ClientError> {
        let request = self
            .client
            .create_process_instance()
            .with_bpmn_process_id(process.to_owned())
            .with_variables(variables)?;
        Ok(request
            .with_version(-1)
            .with_result(None)
            .send_with_result::<Value>()
            .await?
            .data()
            .clone())
    }

    /// Work on the jobs of a type until the handle is aborted.
    fn working<F, Fut>(&self, kind: &str, handler: F) -> JoinHandle<()>
    where
        F: Fn(Client, ActivatedJob) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Value, WorkerError<Value>>> + Send + 'static,
    {
        let worker = self
            .client
            .worker()
            .with_request_timeout(Duration::from_secs(10))
            .with_job_timeout(Duration::from_secs(60));
        let worker = worker
            .with_max_jobs_to_activate(100)
            .with_concurrency_limit(1)
            .with_job_type(kind.to_owned());
        tokio::spawn(worker.with_handler(handler).build().run())
    }

    /// Take one job of a type within some seconds, and leave it open.
    async fn activate(&self, kind: &str, within: u64) -> Result<ActivatedJob, Failure> {
        let (given, taken) = oneshot::channel();
        let given = Arc::new(Mutex::new(Some(given)));
        let worker = self
            .client
            .worker()
            .with_request_timeout(Duration::from_secs(within))
            .with_job_timeout(Duration::from_secs(60));
        let worker = worker
            .with_max_jobs_to_activate(1)
            .with_concurrency_limit(1)
            .with_job_type(kind.to_owned());
        let worker = worker.with_handler(move |_: Client, job: ActivatedJob| {
            let given = given.clone();
            async move {
                if let Some(given) = given.lock().unwrap().take() {
                    let _ = given.send(job);
                }
            }
        });
        let running = tokio::spawn(worker.build().run());
        let job = tokio::time::timeout(Duration::from_secs(within), taken).await??;
        running.abort();
        Ok(job)
    }

    async fn complete(&self, job: &ActivatedJob) -> Result<(), ClientError> {
        self.client.complete_job().with_job_key(job.key()).send().await.map(|_| ())
    }

    async fn play(&self, scenario: &str) -> Seen {
        let client = &self.client;
        match scenario {
            "topology" => {
                let answer = client.topology().send().await?;
                let role = ["LEADER", "FOLLOWER", "INACTIVE"][answer.brokers()[0].partitions()[0].role() as usize];
                Ok(json!({"brokers": answer.brokers().len(), "role": role}))
            }
            "deploy" => {
                let (process, version, _) = self.definition("work.bpmn").await?;
                Ok(json!({"process": process, "version": version}))
            }
            "poll" => {
                let worker = self.working("work", double);
                let found = self.result("work", json!({"n": 2})).await?;
                worker.abort();
                Ok(json!({"doubled": found["doubled"]}))
            }
            "fail" => {
                self.deploy("fail.bpmn").await?;
                let stage = self.clone();
                let result = tokio::spawn(async move { stage.result("fail", json!({})).await });
                let job = self.activate("fail", WITHIN_S).await?;
                let failing = client.fail_job().with_job_key(job.key()).with_retries(job.retries() - 1);
                failing.with_error_message("not yet".to_owned()).send().await?;
                let again = self.activate("fail", WITHIN_S).await?;
                let tries = 1 + job.retries() - again.retries();
                client
                    .complete_job()
                    .with_job_key(again.key())
                    .with_variables(json!({"tries": tries}))?
                    .send()
                    .await?;
                Ok(json!({"tries": result.await??["tries"]}))
            }
            "error" => {
                self.deploy("error.bpmn").await?;
                let worker = self.working("error", |_, _| async {
                    Err(WorkerError::ThrowError {
                        error_code: "E".to_owned(),
                        error_message: None,
                    })
                });
                let found = self.result("error", json!({})).await?;
                worker.abort();
                Ok(json!({"outcome": found["outcome"]}))
            }
            "message" => {
                self.deploy("message.bpmn").await?;
                let message = client
                    .publish_message()
                    .with_name("go".to_owned())
                    .with_correlation_key("go-1".to_owned());
                message
                    .with_time_to_live(Duration::from_secs(60))
                    .with_variables(json!({"said": "hello"}))?
                    .send()
                    .await?;
                Ok(json!({"said": self.result("message", json!({"k": "go-1"})).await?["said"]}))
            }
            "signal" => {
                self.deploy("signal.bpmn").await?;
                let instance = self.create("signal", json!({})).await?;
                client
                    .broadcast_signal()
                    .with_signal_name("go".to_owned())
                    .with_variables(json!({"said": "hello"}))?
                    .send()
                    .await?;
                let job = self.activate("signalled", WITHIN_S).await?;
                self.complete(&job).await?;
                Ok(json!({"said": job.data::<Value>()?["said"], "same": job.process_instance_key() == instance}))
            }
            "incident" => {
                self.deploy("incident.bpmn").await?;
                let instance = self.create("incident", json!({})).await?;
                client
                    .set_variables()
                    .with_element_instance_key(instance)
                    .with_variable(json!({"kind": "repaired"}))?
                    .send()
                    .await?;
                client
                    .resolve_incident()
                    .with_incident_key(ask("incident", &instance.to_string())?)
                    .send()
                    .await?;
                let job = self.activate("repaired", WITHIN_S).await?;
                self.complete(&job).await?;
                Ok(json!({"same": job.process_instance_key() == instance}))
            }
            "retries" => {
                self.deploy("again.bpmn").await?;
                self.create("again", json!({"n": 1})).await?;
                let job = self.activate("again", WITHIN_S).await?;
                client.update_job_retries().with_job_key(job.key()).with_retries(7).send().await?;
                client
                    .update_job_timeout()
                    .with_job_key(job.key())
                    .with_timeout(Duration::ZERO)
                    .send()
                    .await?;
                let again = self.activate("again", WITHIN_S).await?;
                self.complete(&again).await?;
                Ok(json!({"retries": again.retries(), "same": again.key() == job.key()}))
            }
            "cancel" => {
                let instance = self.create("again", json!({"n": 1})).await?;
                client.cancel_process_instance().with_process_instance_key(instance).send().await?;
                let again = client.cancel_process_instance().with_process_instance_key(instance).send().await;
                Ok(json!({"again": code(again)}))
            }
            "modify" => {
                self.deploy("steps.bpmn").await?;
                let instance = self.create("steps", json!({})).await?;
                let job = self.activate("step_a", WITHIN_S).await?;
                let request = client.modify_process_instance().with_process_instance_key(instance);
                let request = request.with_activate_instruction("b".to_owned(), -1).build();
                request.with_terminate_instruction(job.element_instance_key()).send().await?;
                let next = self.activate("step_b", WITHIN_S).await?;
                self.complete(&next).await?;
                Ok(json!({"at": next.element_id(), "same": next.process_instance_key() == instance}))
            }
            "decision" => {
                self.deploy("dish.dmn").await?;
                let request = client.evaluate_decision().with_decision_key(0).with_decision_id("dish".to_owned()); // the client wants both
                let request = request.with_variables(json!({"season": "winter"}))?;
                let answer = request.send::<Value>().await?;
                Ok(json!({"output": answer.decision_output().to_string()}))
            }
            "delete" => {
                let (_, _, key) = self.definition("gone.bpmn").await?;
                client.delete_resource().with_resource_key(key).send().await?;
                Ok(json!({"create": code(self.create("gone", json!({})).await)}))
            }
            "refused" => {
                let refused = self.create("nowhere", json!({})).await;
                let names = matches!(&refused, Err(ClientError::RequestFailed(status)) if status.message().contains("'nowhere'"));
                Ok(json!({"code": code(refused), "names": names}))
            }
            "restart" => {
                self.deploy("any.bpmn").await?;
                let worker = self.working("by_poll", double);
                let worked = ask("restart", "by_poll")?;
                worker.abort();
                Ok(json!({"worked": worked}))
            }
            "silence" => {
                let kind = format!("silence{}", process::id());
                let (job, instance) = tokio::join!(
                    self.activate(&kind, SILENCE_S),
                    tokio::task::spawn_blocking({
                        let kind = kind.clone();
                        move || ask("silence", &kind)
                    })
                );
                Ok(json!({"same": job?.process_instance_key() == instance??}))
            }
            other => Err(format!("no scenario {other}").into()),
        }
    }
}

async fn double(_: Client, job: ActivatedJob) -> Result<Value, WorkerError<Value>> {
    let n = job.data::<Value>()?["n"].as_i64().unwrap_or_default();
    Ok(json!({"doubled": 2 * n}))
}

fn code<T>(answer: Result<T, ClientError>) -> String {
    match answer {
        Err(ClientError::RequestFailed(status)) if status.code() as i32 == 5 => "NOT_FOUND".to_owned(),
        Err(other) => other.to_string(),
        Ok(_) => "OK".to_owned(),
    }
}

fn ask(what: &str, of: &str) -> Result<i64, Failure> {
    println!("{}", json!({"ask": what, "of": of}));
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line.trim().parse()?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (host, port) = arguments[0].rsplit_once(':').ok_or("an address has a port")?;
    let ca = env::var("TEST_CA").ok(); // of a door with TLS
    let scheme = if ca.is_some() { "https" } else { "http" };
    let mut builder = Client::builder().with_address(&format!("{scheme}://{host}"), port.parse()?);
    if let Some(ca) = ca {
        builder = builder.with_tls(Path::new(&ca))?;
    }
    if let Ok(milliseconds) = env::var("GRPC_KEEPALIVE_TIME_MS") {
        builder = builder.with_keep_alive(Duration::from_millis(milliseconds.parse()?));
    }
    let stage = Stage {
        client: builder.build().await?,
        models: arguments[1].clone(),
    };
    for scenario in &arguments[2..] {
        match stage.play(scenario).await {
            Ok(saw) => println!("{}", json!({"scenario": scenario, "saw": saw})),
            Err(failed) => println!("{}", json!({"scenario": scenario, "failed": failed.to_string()})),
        }
    }
    Ok(())
}
