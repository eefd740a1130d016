// Bookinfo as a user runs it: `lateen run` on a copy of the sample, real control plane, real sidecars, real applications.
// One mesh for the whole file; tests run in order and each leaves the routing as its name says.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { delay, systemClock } from '../../src/base/clock.ts'
import type { AddressPlan } from '../../src/model/address-plan.ts'
import { askDesiredMesh, askProxies } from '../../src/standalone/mesh-api.ts'
import { connectMesh } from '../../src/standalone/mesh-client.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const LATEEN = path.join(ROOT, 'src/bin/lateen.ts')
const START_MS = 30_000

const EXTRA = `apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: details-v2, labels: {app: details, version: v2}}
spec:
  serviceAccount: bookinfo-details
  command: [node, ../src/details.ts]
  replicas: 2
  ports: [{name: http, containerPort: 9080}]
  readinessProbe: {httpGet: {path: /health, port: 9080}}
`

const base = mkdtempSync(path.join(tmpdir(), 'lateen-feature-'))
const state = path.join(base, 'state')
const samples = path.join(base, 'bookinfo')
const routes = path.join(samples, 'mesh', 'virtual-services.yaml')
let mesh: ChildProcess
let output = ''
let port = 0
let plan: AddressPlan

before(async () => {
  cpSync(path.join(ROOT, 'samples/bookinfo'), samples, { recursive: true })
  port = await freePort()
  mesh = spawn(process.execPath, [LATEEN, 'run', path.join(samples, 'mesh'), '--state', state, '--ingress-port', String(port)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [mesh.stdout, mesh.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  await until('the page is whole', async () => isWhole(await page()))
  plan = (await askDesiredMesh(connectMesh(path.join(state, 'control.sock')))).addresses
})

after(async () => {
  const gone = new Promise((resolve) => mesh.once('exit', resolve))
  mesh.kill('SIGTERM')
  await gone
  rmSync(base, { recursive: true, force: true })
})

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + START_MS
  while (!(await Promise.resolve(condition()).catch(() => false))) {
    if (systemClock.monotonicMs() > deadlineMs) assert.fail(`not true within ${START_MS} ms: ${what}\n${output.slice(-6000)}`)
    await delay(systemClock, 50)
  }
}

async function page(user?: string): Promise<string> {
  const headers = user === undefined ? {} : { cookie: `end-user=${user}` }
  const response = await fetch(`http://127.0.0.1:${port}/productpage`, { headers })
  return response.text()
}

const isWhole = (text: string): boolean => text.includes('What readers say') && !text.includes('role="alert"')

/** Which version of reviews answered, `count` times. */
async function versions(count: number, user?: string): Promise<Readonly<Record<string, number>>> {
  const seen: Record<string, number> = {}
  for (let done = 0; done < count; done += 20) {
    const answers = await Promise.all(
      Array.from({ length: Math.min(20, count - done) }, async () => {
        const headers = user === undefined ? {} : { cookie: `end-user=${user}` }
        const response = await fetch(`http://127.0.0.1:${port}/api/v1/products/0/reviews`, { headers })
        const body: unknown = await response.json()
        return response.ok && typeof body === 'object' && body !== null && 'version' in body
          ? String(body.version)
          : `status ${response.status}`
      }),
    )
    for (const answer of answers) seen[answer] = (seen[answer] ?? 0) + 1
  }
  return seen
}

/** Processes that have the folder on their command line. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
    } catch {
      return false
    }
  })
}

const networking = (name: string): string => readFileSync(path.join(samples, 'networking', name), 'utf8')

function lateen(...args: string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [LATEEN, ...args, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'], cwd: samples })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.once('exit', (code) => resolve({ code, text }))
  })
}

test('every hop of the page was proved by mutual TLS', async () => {
  const text = await page()
  for (const caller of ['bookinfo-ingress', 'bookinfo-productpage']) assert.match(text, new RegExp(`mTLS from ${caller}`))
  assert.equal(text.includes('plain text'), false, text)
})

test('at first everyone gets reviews v1', async () => {
  assert.deepEqual(await versions(40), { v1: 40 })
})

test('a file edited to 80/20 shifts a fifth of the requests, and loses none', async () => {
  writeFileSync(routes, networking('virtual-service-reviews-80-20.yaml'))
  await until('v2 answers too', async () => ((await versions(20)).v2 ?? 0) > 0)
  const seen = await versions(1000)
  assert.equal((seen.v1 ?? 0) + (seen.v2 ?? 0), 1000, JSON.stringify(seen))
  // Three standard deviations of a binomial with n = 1000, p = 0.2.
  assert.ok(Math.abs((seen.v2 ?? 0) - 200) <= 38, JSON.stringify(seen))
})

test('lateen apply routes one user to v2 and everyone else to v1', async () => {
  const applied = await lateen('apply', '-f', 'networking/virtual-service-reviews-test-v2.yaml')
  assert.deepEqual([applied.code, /VirtualService default\/reviews configured/.test(applied.text)], [0, true], applied.text)
  await until('jason gets v2', async () => (await versions(20, 'jason')).v2 === 20)
  assert.deepEqual(await versions(40), { v1: 40 })
  assert.match(await page('jason'), /class="stars black"/)
})

test('a broken file leaves the routing as it was and says where it is broken', async () => {
  writeFileSync(routes, 'kind: [')
  await until('the mistake is reported', async () =>
    JSON.stringify(await connectMesh(path.join(state, 'control.sock')).get('/v1/findings')).includes('LTN0108'),
  )
  assert.deepEqual(await versions(20), { v1: 20 })
})

test('under STRICT a caller without a certificate is refused, and the page stays whole', async () => {
  const details = plan.workloads['default/details-v1']?.inbound[0]?.listen
  assert.ok(details)
  // A connection of its own each time: what is established is not cut by a change of configuration.
  const plain = (): Promise<number> =>
    fetch(`http://${details.host}:${details.port}/details/0`, { headers: { connection: 'close' } }).then((response) => response.status)
  assert.equal(await plain(), 200)
  assert.equal((await lateen('apply', '-f', 'networking/strict-mtls.yaml')).code, 0)
  await until('plain text is refused', async () => {
    try {
      return (await plain()) !== 200
    } catch {
      return true
    }
  })
  assert.equal(isWhole(await page()), true)
})

test('every sidecar has acknowledged its configuration', async () => {
  // The change of the test before may still be on its way.
  await until('seven sidecars in sync', async () => {
    const proxies = await askProxies(connectMesh(path.join(state, 'control.sock')))
    return proxies.length === 7 && proxies.every(({ types }) => Object.values(types).every(({ state: is }) => is === 'SYNCED'))
  })
})

test('the access log of a sidecar names the route and the cluster that was called', () => {
  assert.match(
    output,
    /productpage-v1 sidecar +\| .*"GET \/reviews\/0 HTTP\/1\.1" 200 .*outbound\|9080\|v1\|reviews\.default\.svc\.cluster\.local/,
  )
})

test('a LocalWorkload whose file appears is started with its replicas, and stopped when the file goes', async () => {
  const file = path.join(samples, 'mesh', 'extra.yaml')
  writeFileSync(file, EXTRA)
  await until('both instances are ready', () => /details-v2 is ready/.test(output) && /details-v2-2 is ready/.test(output))
  rmSync(file)
  await until('both are stopped', () => (output.match(/details-v2(?:-2)? stops: its LocalWorkload is gone/g) ?? []).length === 2)
})

test('an application calls a service by its name through HTTP_PROXY, with its own identity', async () => {
  const proxy = plan.workloads['default/productpage-v1']?.httpProxy
  assert.ok(proxy)
  const answer = await new Promise<string>((resolve, reject) => {
    const outgoing = request(
      { ...proxy, path: 'http://details.default:9080/details/0', headers: { host: 'details.default:9080' }, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        response.on('end', () => resolve(text))
      },
    )
    outgoing.on('error', reject).end()
  })
  assert.match(answer, /"caller":"spiffe:\/\/cluster\.local\/ns\/default\/sa\/bookinfo-productpage"/)
})

test('a control plane that is killed comes back, and no request notices', async () => {
  const record: unknown = JSON.parse(readFileSync(path.join(state, 'control-plane.json'), 'utf8'))
  const pid = typeof record === 'object' && record !== null && 'pid' in record ? Number(record.pid) : 0
  process.kill(pid, 'SIGKILL')
  await until('it starts again', async () => {
    assert.equal(isWhole(await page()), true)
    return /control-plane was ended by SIGKILL; it starts again/.test(output)
  })
  await until('every sidecar is connected to the new one', async () => {
    assert.equal(isWhole(await page()), true)
    return (await askProxies(connectMesh(path.join(state, 'control.sock')))).length === 7
  })
})

test('a second mesh runs beside the first with a port per workload, and a kill -9 of it leaves nothing', async () => {
  const own = path.join(base, 'second')
  const secondPort = await freePort()
  const args = ['run', path.join(samples, 'mesh'), '--state', own, '--ingress-port', String(secondPort), '--addresses', 'ports']
  const second = spawn(process.execPath, [LATEEN, ...args], { stdio: 'ignore' })
  try {
    await until('its page is whole', async () => isWhole(await (await fetch(`http://127.0.0.1:${secondPort}/productpage`)).text()))
    assert.equal(isWhole(await page()), true)
    assert.ok(processesOf(own).length >= 9, `run, control plane and seven sidecars: ${processesOf(own)}`)
  } finally {
    second.kill('SIGKILL')
  }
  await until('all of it is gone', () => processesOf(own).length === 0)
  assert.equal(isWhole(await page()), true)
})
