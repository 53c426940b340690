// Plays the scenarios of ../scenarios.py with a published Node client. Arguments: the package (zeebe-node, or @camunda8/sdk), the address of
// the broker, the folder of the models, and the names of the scenarios. Prints one JSON line for each scenario; asks the test by a line with
// "ask", and reads the answer from standard input.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const [name, address, models, ...wanted] = process.argv.slice(2)
const required = createRequire(import.meta.url)(name)
const isSdk = name !== 'zeebe-node'
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

function connect() {
  const ca = process.env.TEST_CA // of a door with TLS
  const secured = ca ? { useTLS: true, customSSL: { rootCerts: readFileSync(ca) } } : {}
  if (!isSdk) return new required.ZBClient(address, { loglevel: 'NONE', retry: false, ...secured })
  return new required.Camunda8({
    ZEEBE_GRPC_ADDRESS: `${ca ? 'grpcs' : 'grpc'}://${address}`,
    ...(ca ? { CAMUNDA_CUSTOM_ROOT_CERT_PATH: ca } : {}),
    CAMUNDA_AUTH_STRATEGY: 'NONE',
    CAMUNDA_LOG_LEVEL: 'none',
    zeebeGrpcSettings: { ZEEBE_CLIENT_LOG_LEVEL: 'NONE', ZEEBE_GRPC_CLIENT_RETRY: false },
  }).getZeebeGrpcApiClient()
}

const client = connect()

const deploy = async (file) => {
  const content = readFileSync(join(models, file))
  const answer = await client.deployResource(isSdk || file.endsWith('.bpmn') ? { name: file, process: content } : { name: file, decision: content })
  return answer.deployments[0].process ?? answer.deployments[0].decision
}
const create = async (bpmnProcessId, variables = {}) => (await client.createProcessInstance({ bpmnProcessId, variables })).processInstanceKey
const result = async (bpmnProcessId, variables = {}) =>
  (await client.createProcessInstanceWithResult({ bpmnProcessId, variables, requestTimeout: 20000 })).variables
const activate = async (type) => {
  const jobs = await client.activateJobs({ type, maxJobsToActivate: 1, timeout: 60000, worker: 'node', requestTimeout: 10000 })
  if (jobs.length !== 1) throw new Error(`expected a job of type ${type}, but found ${jobs.length}`)
  return jobs[0]
}
const complete = (job, variables = {}) => client.completeJob({ jobKey: job.key, variables })
const code = async (call) => {
  try {
    await call
    return 'OK'
  } catch (refusal) {
    return { 3: 'INVALID_ARGUMENT', 5: 'NOT_FOUND' }[refusal.code] ?? refusal.message
  }
}
const working = async (taskType, taskHandler, during) => {
  const worker = client.createWorker({ taskType, taskHandler, longPoll: 1000, loglevel: 'NONE' })
  try {
    return await during()
  } finally {
    await worker.close()
  }
}
const ask = async (what, of) => {
  console.log(JSON.stringify({ ask: what, of }))
  return (await lines.next()).value
}
const double = (job) => job.complete({ doubled: 2 * job.variables.n })

const scenarios = {
  topology: async () => {
    const { brokers } = await client.topology()
    return { brokers: brokers.length, role: brokers[0].partitions[0].role }
  },
  deploy: async () => {
    const { bpmnProcessId, version } = await deploy('work.bpmn')
    return { process: bpmnProcessId, version }
  },
  poll: async () => ({ doubled: await working('work', double, async () => (await result('work', { n: 2 })).doubled) }),
  stream: async () => {
    await deploy('streamed.bpmn')
    const stream = await client.streamJobs({ type: 'streamed', worker: 'node', timeout: 60000, taskHandler: double, fetchVariables: [], tenantIds: ['<default>'] })
    await new Promise((opened) => setTimeout(opened, 500)) // a job that was created before the stream is left to polls
    try {
      return { doubled: (await result('streamed', { n: 3 })).doubled }
    } finally {
      stream.close()
    }
  },
  fail: async () => {
    await deploy('fail.bpmn')
    let tries = 0
    const flaky = (job) => (++tries === 1 ? job.fail({ errorMessage: 'not yet', retries: job.retries - 1 }) : job.complete({ tries }))
    return { tries: (await working('fail', flaky, () => result('fail'))).tries }
  },
  error: async () => {
    await deploy('error.bpmn')
    return { outcome: (await working('error', (job) => job.error('E'), () => result('error'))).outcome }
  },
  message: async () => {
    await deploy('message.bpmn')
    await client.publishMessage({ name: 'go', correlationKey: `${name}-1`, timeToLive: 60000, variables: { said: 'hello' } })
    return { said: (await result('message', { k: `${name}-1` })).said }
  },
  signal: async () => {
    await deploy('signal.bpmn')
    const instance = await create('signal')
    await client.broadcastSignal({ signalName: 'go', variables: { said: 'hello' } })
    const job = await activate('signalled')
    await complete(job)
    return { said: job.variables.said, same: job.processInstanceKey === instance }
  },
  incident: async () => {
    await deploy('incident.bpmn')
    const instance = await create('incident')
    await client.setVariables({ elementInstanceKey: instance, variables: { kind: 'repaired' }, local: false })
    await client.resolveIncident({ incidentKey: await ask('incident', instance) })
    const job = await activate('repaired')
    await complete(job)
    return { same: job.processInstanceKey === instance }
  },
  retries: async () => {
    await deploy('again.bpmn')
    await create('again', { n: 1 })
    const job = await activate('again')
    await client.updateJobRetries({ jobKey: job.key, retries: 7 })
    await (isSdk ? client.updateJobTimeout({ jobKey: job.key, timeout: 0 }) : client.failJob({ jobKey: job.key, retries: 7, errorMessage: 'back' }))
    const again = await activate('again')
    await complete(again)
    return { retries: again.retries, same: again.key === job.key }
  },
  cancel: async () => {
    const instance = await create('again', { n: 1 })
    await client.cancelProcessInstance(instance)
    return { again: await code(client.cancelProcessInstance(instance)) }
  },
  modify: async () => {
    await deploy('steps.bpmn')
    const processInstanceKey = await create('steps')
    const job = await activate('step_a')
    await client.modifyProcessInstance({
      processInstanceKey,
      activateInstructions: [{ elementId: 'b', ancestorElementInstanceKey: '-1', variableInstructions: [] }],
      terminateInstructions: [{ elementInstanceKey: job.elementInstanceKey }],
    })
    const at = await activate('step_b')
    await complete(at)
    return { at: at.elementId, same: at.processInstanceKey === processInstanceKey }
  },
  migrate: async () => {
    const target = await deploy('migrated.bpmn')
    const processInstanceKey = await create('steps')
    await client.migrateProcessInstance({
      processInstanceKey,
      migrationPlan: {
        targetProcessDefinitionKey: target.processDefinitionKey,
        mappingInstructions: [{ sourceElementId: 'a', targetElementId: 'x' }],
      },
    })
    const job = await activate('step_a')
    await complete(job)
    const next = await activate('step_y')
    await complete(next)
    return { was: job.elementId, at: next.elementId, process: next.bpmnProcessId }
  },
  decision: async () => {
    await deploy('dish.dmn')
    return { output: (await client.evaluateDecision({ decisionId: 'dish', variables: { season: 'winter' } })).decisionOutput }
  },
  delete: async () => {
    const { processDefinitionKey } = await deploy('gone.bpmn')
    await client.deleteResource({ resourceKey: processDefinitionKey })
    return { create: await code(create('gone')) }
  },
  refused: async () => {
    try {
      await create('nowhere')
      return {}
    } catch (refusal) {
      return { code: refusal.code === 5 ? 'NOT_FOUND' : refusal.message, names: refusal.message.includes("'nowhere'") }
    }
  },
  restart: async () => {
    await deploy('any.bpmn')
    return working('by_poll', double, async () => ({ worked: Number(await ask('restart', 'by_poll')) }))
  },
  silence: async () => {
    const type = `silence${process.pid}`
    const polled = client.activateJobs({ type, maxJobsToActivate: 1, timeout: 60000, worker: 'node', requestTimeout: 600000 })
    const instance = await ask('silence', type)
    return { same: (await polled)[0].processInstanceKey === instance }
  },
}

for (const scenario of wanted) {
  const play = scenarios[scenario]
  try {
    console.log(JSON.stringify({ scenario, saw: await play() }))
  } catch (failure) {
    console.log(JSON.stringify({ scenario, failed: String(failure.stack ?? failure) }))
  }
}
process.exit(0)
