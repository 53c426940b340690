// Plays scenarios with a published Node client of the REST API: `rest_scenarios.mjs PACKAGE ADDRESS MODELS SCENARIO …`.
// For each scenario it prints one line of JSON: what the client saw, or how it failed.
import path from 'node:path'

const [name, address, folder, ...names] = process.argv.slice(2)
const { CAMUNDA_AUTH_STRATEGY = 'NONE', CAMUNDA_BASIC_AUTH_USERNAME, CAMUNDA_BASIC_AUTH_PASSWORD } = process.env
const signIn = {
	CAMUNDA_AUTH_STRATEGY,
	...(CAMUNDA_AUTH_STRATEGY === 'BASIC' && { CAMUNDA_BASIC_AUTH_USERNAME, CAMUNDA_BASIC_AUTH_PASSWORD }),
}
const client = name === '@camunda8/sdk' ? await sdkClient() : await clusterClient()

async function clusterClient() {
	const { createCamundaClient } = await import('@camunda8/orchestration-cluster-api')
	return createCamundaClient({
		config: {
			CAMUNDA_REST_ADDRESS: address,
			...signIn,
			CAMUNDA_SDK_VALIDATION: 'req:strict',
			CAMUNDA_SDK_HTTP_RETRY_MAX_ATTEMPTS: 1,
		},
	})
}

// The REST client of the SDK, with the names that its successor gives to the same calls.
async function sdkClient() {
	const sdk = (await import('@camunda8/sdk')).default
	const rest = new sdk.Camunda8({
		ZEEBE_REST_ADDRESS: address,
		...signIn,
		CAMUNDA_LOG_LEVEL: 'none',
	}).getCamundaRestClient()
	const plain = (value) => JSON.parse(JSON.stringify(value))
	const get = (urlPath) => rest.callApiEndpoint({ method: 'GET', urlPath, json: true })
	return {
		getTopology: () => rest.getTopology(),
		deployResourcesFromFiles: (files) => rest.deployResourcesFromFiles(files),
		createProcessInstance: (given) => rest.createProcessInstance(given),
		activateJobs: async (given) => ({ jobs: plain(await rest.activateJobs(given)) }),
		completeJob: (given) => rest.completeJob({ variables: {}, ...given }),
		failJob: (given) => rest.failJob({ retryBackOff: 0, ...given }),
		throwJobError: (given) => rest.errorJob({ errorMessage: '', variables: {}, ...given }),
		updateJob: ({ jobKey, changeset }) => rest.updateJob({ jobKey, ...changeset }),
		correlateMessage: (given) => rest.correlateMessage(given),
		searchVariables: (given) => rest.searchVariables(given),
		searchIncidents: (given) => rest.searchIncidents(given),
		resolveIncident: ({ incidentKey }) => rest.resolveIncident(incidentKey),
		getProcessInstance: ({ processInstanceKey }) => get(`process-instances/${processInstanceKey}`),
		cancelProcessInstance: (given) => rest.cancelProcessInstance(given),
		evaluateDecision: (given) => rest.evaluateDecision(given),
		searchUserTasks: (given) => rest.searchUserTasks(given),
		getUserTask: ({ userTaskKey }) => rest.getUserTask(userTaskKey),
		assignUserTask: (given) => rest.assignUserTask(given),
		completeUserTask: (given) => rest.completeUserTask(given),
	}
}

const atOnce = { consistency: { waitUpToMs: 0 } } // the first answer must be right

const deployed = (name) => client.deployResourcesFromFiles([path.join(folder, name)])
const created = (processDefinitionId, variables = {}) => client.createProcessInstance({ processDefinitionId, variables })

async function job(type) {
	const { jobs } = await client.activateJobs({ type, timeout: 60_000, maxJobsToActivate: 1, requestTimeout: 10_000, worker: 'w' })
	return jobs[0]
}

async function variables(key) {
	const found = await client.searchVariables({ filter: { processInstanceKey: key, scopeKey: key } }, atOnce)
	return Object.fromEntries(found.items.map((one) => [one.name, JSON.parse(one.value)]))
}

const stateOf = async (processInstanceKey) => (await client.getProcessInstance({ processInstanceKey }, atOnce)).state

const statusOf = (refused) => Number(refused.status ?? refused.statusCode ?? refused.response?.statusCode)

async function refusal(call) {
	try {
		await call()
	} catch (refused) {
		return statusOf(refused)
	}
	return 'no refusal'
}

const scenarios = {
	async topology() {
		const seen = await client.getTopology()
		return { brokers: seen.brokers.length, role: seen.brokers[0].partitions[0].role }
	},
	async deploy() {
		const { processes } = await deployed('work.bpmn')
		return { process: processes[0].processDefinitionId, version: processes[0].processDefinitionVersion }
	},
	async work() {
		await deployed('work.bpmn')
		const { processInstanceKey } = await created('work', { n: 2 })
		const got = await job('work')
		await client.completeJob({ jobKey: got.jobKey, variables: { doubled: 2 * got.variables.n } })
		return { state: await stateOf(processInstanceKey), ...(await variables(processInstanceKey)) }
	},
	async fail() {
		await deployed('fail.bpmn')
		await created('fail')
		const first = await job('fail')
		await client.failJob({ jobKey: first.jobKey, retries: 1, errorMessage: 'no' })
		const again = await job('fail')
		await client.completeJob({ jobKey: again.jobKey })
		return { same: first.jobKey === again.jobKey, retries: again.retries }
	},
	async error() {
		await deployed('error.bpmn')
		const { processInstanceKey } = await created('error')
		const got = await job('error')
		await client.throwJobError({ jobKey: got.jobKey, errorCode: 'E' })
		return variables(processInstanceKey)
	},
	async message() {
		await deployed('message.bpmn')
		const { processInstanceKey } = await created('message', { k: '7' })
		const reached = await client.correlateMessage({ name: 'go', correlationKey: '7', variables: { said: 'hello' } })
		return { same: reached.processInstanceKey === processInstanceKey, said: (await variables(processInstanceKey)).said }
	},
	async incident() {
		await deployed('work.bpmn')
		const { processInstanceKey } = await created('work', { n: 1 })
		const { jobKey } = await job('work')
		await client.failJob({ jobKey, retries: 0, errorMessage: 'broken' })
		const { items } = await client.searchIncidents({ filter: { processInstanceKey } }, atOnce)
		await client.updateJob({ jobKey, changeset: { retries: 2 } })
		await client.resolveIncident({ incidentKey: items[0].incidentKey })
		const again = await job('work')
		await client.completeJob({ jobKey: again.jobKey })
		return { message: items[0].errorMessage, retries: again.retries }
	},
	async cancel() {
		await deployed('steps.bpmn')
		const { processInstanceKey } = await created('steps')
		await client.cancelProcessInstance({ processInstanceKey })
		const again = await refusal(() => client.cancelProcessInstance({ processInstanceKey }))
		return { state: await stateOf(processInstanceKey), again }
	},
	async batch() {
		await deployed('steps.bpmn')
		const keys = []
		for (let n = 0; n < 3; n++) keys.push((await created('steps')).processInstanceKey)
		const filter = { processInstanceKey: { $in: keys } }
		const { batchOperationKey } = await client.cancelProcessInstancesBatchOperation({ filter }, atOnce)
		let seen
		do seen = await client.getBatchOperation({ batchOperationKey }, atOnce)
		while (!seen.endDate)
		return { state: seen.state, completed: seen.operationsCompletedCount }
	},
	async decision() {
		await deployed('dish.dmn')
		return { output: (await client.evaluateDecision({ decisionDefinitionId: 'dish', variables: { season: 'winter' } })).output }
	},
	async task() {
		await deployed('dinner.bpmn')
		const { processInstanceKey } = await created('dinner')
		const { items } = await client.searchUserTasks({ filter: { processInstanceKey, state: 'CREATED' } }, atOnce)
		const { userTaskKey, name, candidateGroups } = items[0]
		await client.assignUserTask({ userTaskKey, assignee: 'demo', allowOverride: false })
		const second = await refusal(() => client.assignUserTask({ userTaskKey, assignee: 'anna', allowOverride: false }))
		await client.completeUserTask({ userTaskKey, variables: { dinner: 'chicken' } })
		const done = await client.getUserTask({ userTaskKey }, atOnce)
		return {
			name,
			groups: candidateGroups,
			second,
			state: done.state,
			assignee: done.assignee,
			variables: await variables(processInstanceKey),
		}
	},
	async stranger() {
		return { code: await refusal(() => deployed('work.bpmn')) }
	},
	async refused() {
		try {
			await created('no-such-process')
		} catch (refused) {
			const text = `${refused.detail ?? ''}${refused.message}${JSON.stringify(refused.response?.body ?? '')}`
			return { code: statusOf(refused), names: text.includes('no-such-process') }
		}
		return {}
	},
}

for (const scenario of names) {
	let said
	try {
		said = { scenario, saw: await scenarios[scenario]() }
	} catch (failure) {
		said = { scenario, failed: `${failure?.stack ?? failure} ${JSON.stringify(failure)}`.slice(0, 1_500) }
	}
	console.log(JSON.stringify(said))
}
process.exit(0)
