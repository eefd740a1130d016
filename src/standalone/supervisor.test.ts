// The supervisor with real processes: a control plane and sidecars of a few lines (mesh-program.fixture.ts), applications that answer.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { delay, systemClock } from '../base/clock.ts'
import { instancesOf } from './address-book.ts'
import { NO_ASSIGNMENTS, planAddresses } from './address-plan.ts'
import { claimMeshNumber } from './free-ports.ts'
import { killProcessGroup } from './guardian.ts'

const PROGRAM = path.join(import.meta.dirname, 'mesh-program.fixture.ts')
/** Leaves its number, serves its probe, and has a child of its own that must not outlive it. */
const APPLICATION = `
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
writeFileSync('pids/application-' + process.pid, String(process.pid))
writeFileSync('pids/grandchild-' + child.pid, String(child.pid))
createServer((request, response) => {
  response.end('ok')
  if (request.url === '/crash') process.exit(7)
}).listen(Number(process.env.PORT), process.env.HOST)
console.log('application of ' + process.env.WORKLOAD_NAME)
`

interface Mesh {
  readonly process: ChildProcess
  readonly dir: string
  readonly output: () => string
  readonly exit: Promise<number | null>
  readonly applicationPort: (name: string) => number
}

const workload = (name: string, dir: string, hostPort?: number) => ({
  apiVersion: 'lateen.dev/v1alpha1',
  kind: 'LocalWorkload' as const,
  metadata: { name, namespace: 'default', labels: { app: name }, annotations: {} },
  spec: {
    command: ['node', 'application.mjs'],
    ports: [{ name: 'http', containerPort: 9080 }],
    readinessProbe: { httpGet: { path: '/health', port: 9080 }, failureThreshold: 1 },
    ...(hostPort === undefined ? {} : { publish: [{ service: 'a', port: 9080, hostPort }] }),
  },
  source: { file: path.join(dir, 'mesh.yaml'), line: 1, column: 1, document: 0 },
})

async function startMesh(t: TestContext, options: { readonly names: readonly string[]; readonly hostPort?: number }): Promise<Mesh> {
  // Held while the test runs: nobody else on this machine plans the same addresses.
  const number = await claimMeshNumber(undefined)
  t.after(() => number.release())
  const base = mkdtempSync(path.join(tmpdir(), 'lateen-run-'))
  const dir = path.join(base, 'mesh')
  const state = path.join(base, 'state')
  mkdirSync(dir)
  mkdirSync(state)
  mkdirSync(path.join(dir, 'pids'))
  const workloads = options.names.map((name) => workload(name, dir, options.hostPort))
  const { plan } = planAddresses(
    instancesOf(workloads, undefined),
    [{ namespace: 'default', name: 'a', ports: [{ port: 9080 }] }],
    NO_ASSIGNMENTS,
    { strategy: 'loopback', mesh: number.mesh, unavailablePorts: new Set(), firstUnprivilegedPort: 1024 },
  )
  writeFileSync(path.join(dir, 'application.mjs'), APPLICATION)
  writeFileSync(path.join(dir, 'desired.json'), JSON.stringify({ workloads, addresses: plan }))
  const child = spawn(process.execPath, [PROGRAM, 'run', dir, state], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  t.after(async () => {
    child.kill('SIGKILL')
    await exit
    await until(
      () => alive(dir).length === 0,
      () => `left behind: ${alive(dir)}`,
    ).catch((error: unknown) => {
      for (const pid of alive(dir)) killProcessGroup(Number(pid.split('-').at(-1)))
      throw error
    })
    rmSync(base, { recursive: true, force: true })
  })
  const applicationPort = (name: string): number => plan.workloads[`default/${name}`]?.inbound[0]?.application.port ?? 0
  return { process: child, dir, output: () => output, exit, applicationPort }
}

/** Names of the mesh's processes that still run. */
function alive(dir: string): string[] {
  return readdirSync(path.join(dir, 'pids')).filter((name) => {
    // A zombie that waits for its parent's wait() is dead: signal 0 would call it alive.
    const status = readStatus(Number(name.split('-').at(-1)))
    return status !== undefined && !/^State:\s+Z/m.test(status)
  })
}

function readStatus(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8')
  } catch {
    return undefined
  }
}

async function until(condition: () => boolean, why: () => string): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + 15_000
  while (!condition()) {
    if (systemClock.monotonicMs() > deadlineMs) assert.fail(why())
    await delay(systemClock, 10)
  }
}

const readyCount = (mesh: Mesh): number => {
  const text =
    statSync(path.join(mesh.dir, 'ready.json'), { throwIfNoEntry: false }) === undefined
      ? ''
      : readFileSync(path.join(mesh.dir, 'ready.json'), 'utf8')
  return text === '' ? 0 : JSON.parse(text).ready.length
}

const allReady = (mesh: Mesh, count: number): Promise<void> => until(() => readyCount(mesh) === count, mesh.output)

test('a mesh starts its applications behind ready sidecars, and SIGTERM leaves nothing', async (t) => {
  const mesh = await startMesh(t, { names: ['a', 'b'] })
  await allReady(mesh, 2)
  // control plane, two sidecars, two applications with a child each
  assert.equal(alive(mesh.dir).length, 7)
  assert.match(mesh.output(), /^a +\| application of a$/m)
  mesh.process.kill('SIGTERM')
  assert.equal(await mesh.exit, 0)
  assert.deepEqual(alive(mesh.dir), [])
})

test('a kill -9 of the parent leaves no process behind', async (t) => {
  const mesh = await startMesh(t, { names: ['a', 'b'] })
  await allReady(mesh, 2)
  mesh.process.kill('SIGKILL')
  await mesh.exit
  await until(
    () => alive(mesh.dir).length === 0,
    () => `still there: ${alive(mesh.dir)}`,
  )
})

test('an application that crashes is not ready, says so, and comes back', async (t) => {
  const mesh = await startMesh(t, { names: ['a'] })
  await allReady(mesh, 1)
  await fetch(`http://127.0.0.1:${mesh.applicationPort('a')}/crash`).then((response) => response.text())
  await until(() => /a ended with exit code 7; it starts again in/.test(mesh.output()), mesh.output)
  await until(() => /default\/a is not ready/.test(mesh.output()), mesh.output)
  await allReady(mesh, 1)
})

test('two meshes of different directories run side by side', async (t) => {
  const first = await startMesh(t, { names: ['a'] })
  const second = await startMesh(t, { names: ['a'] })
  await Promise.all([allReady(first, 1), allReady(second, 1)])
  first.process.kill('SIGTERM')
  assert.equal(await first.exit, 0)
  assert.equal(alive(second.dir).length, 4)
})

test('a published port that is taken ends the run with a sentence and an alternative', async (t) => {
  const server = createServer()
  const taken = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
  t.after(() => server.close())
  const mesh = await startMesh(t, { names: ['a'], hostPort: taken })
  assert.equal(await mesh.exit, 1)
  assert.match(mesh.output(), new RegExp(`Port ${taken} on 127.0.0.1 is taken`))
  assert.match(mesh.output(), /npx lateen run .* --ingress-port \d+/)
  assert.deepEqual(alive(mesh.dir), [])
})

test('a second run of the same directory is refused, and the first goes on', async (t) => {
  const mesh = await startMesh(t, { names: ['a'] })
  await allReady(mesh, 1)
  const second = spawn(process.execPath, [PROGRAM, 'run', mesh.dir, path.join(mesh.dir, '..', 'state')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  second.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk))
  assert.equal(await new Promise((resolve) => second.once('exit', resolve)), 1)
  assert.match(said, /runs already/)
  assert.equal(alive(mesh.dir).length, 4)
})
