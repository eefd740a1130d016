// npm run demo: Bookinfo with every hop under mutual TLS, light traffic, and a live table. Runs what a user runs: dist/lateen.js.
//   --ingress-port N   another port for the page (default: the one in samples/bookinfo/mesh, 9080)
//   --seconds N        ends by itself, for scripts; exit code 0 when the page was good
//   --addresses ports  a port per workload instead of an address
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { isFree, nextFreePort } from '../src/standalone/free-ports.ts'
import { connectMesh } from '../src/standalone/mesh-client.ts'
import { knownStateFolders, stateRoot } from '../src/standalone/state-folder.ts'
import { picture, redraw, sidecarTable, tries } from './demo/screen.ts'
import { SidecarWatch } from './demo/watch-sidecars.ts'

const DEFAULT_PORT = 9080
const REQUESTS_PER_SECOND = 5
const GIVE_UP_MS = 60_000
const PLAIN_EVERY_MS = 10_000

const root = path.resolve(import.meta.dirname, '..')
const { values } = parseArgs({
  options: { 'ingress-port': { type: 'string' }, seconds: { type: 'string' }, addresses: { type: 'string' } },
})
const port = Number(values['ingress-port'] ?? DEFAULT_PORT)
const page = `http://127.0.0.1:${port}/productpage`
const isTty = process.stdout.isTTY === true
const startedMs = performance.now()

// A folder of its own: what was applied in an earlier demo is not part of this one.
const state = path.join(stateRoot(process.env), `demo-${process.pid}`)
mkdirSync(state, { recursive: true, mode: 0o700 })
const logFile = path.join(state, 'demo.log')

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort())

if (!existsSync(path.join(root, 'dist/lateen.js')))
  await finished(spawn(process.execPath, [path.join(root, 'scripts/build.ts')], { stdio: 'inherit' }))
/** What the mesh said last: shown below the table while that owns the screen. */
let latest = ''
let tableOwnsScreen = false
process.exitCode = (await portIsFree()) ? await demo() : 1

/** Asked first: somebody else's page on that port would look like ours. */
async function portIsFree(): Promise<boolean> {
  if (await isFree({ host: '127.0.0.1', port })) return true
  const other = await nextFreePort({ host: '127.0.0.1', port: port + 1 })
  process.stderr.write(
    `Port ${port} on 127.0.0.1 is taken by another program. Stop that program, or use another port: npm run demo -- --ingress-port ${other ?? 'PORT'}\n`,
  )
  rmSync(state, { recursive: true, force: true })
  return false
}

async function demo(): Promise<number> {
  const mesh = startMesh()
  const ended = finished(mesh)
  ended.then(() => stop.abort())
  let good = false
  try {
    good = await untilGoodPage()
    if (good) await show()
  } finally {
    mesh.kill('SIGTERM')
  }
  const code = await ended
  if (!good && code === 0 && !stop.signal.aborted) process.stderr.write(`no good page within ${GIVE_UP_MS / 1000} s; the log: ${logFile}\n`)
  if (good) rmSync(state, { recursive: true, force: true })
  else process.stderr.write(`The log of everything: ${logFile}\n`)
  return good ? 0 : 1
}

function startMesh(): ChildProcess {
  const extra = [
    ...(values['ingress-port'] === undefined ? [] : ['--ingress-port', String(port)]),
    ...(values.addresses === undefined ? [] : ['--addresses', values.addresses]),
  ]
  const args = [path.join(root, 'dist/lateen.js'), 'run', path.join(root, 'samples/bookinfo/mesh'), '--state', state, ...extra]
  // The fourth descriptor ends when this process dies, however it dies: the mesh then stops itself.
  const mesh = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, LATEEN_PARENT_PIPE: '3' },
    detached: true,
  })
  const log = createWriteStream(logFile)
  for (const stream of [mesh.stdout, mesh.stderr]) {
    let rest = ''
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      log.write(chunk)
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      // What the mesh itself says; the hundreds of lines of its parts are in the log.
      for (const line of lines) if (/^lateen(?: +\||:)/.test(line)) report(line.replace(/^lateen +\| /, ''))
    })
  }
  return mesh
}

function report(line: string): void {
  latest = line
  if (!tableOwnsScreen) process.stdout.write(`${line}\n`)
}

async function untilGoodPage(): Promise<boolean> {
  process.stdout.write('Starting Bookinfo: control plane, seven sidecars, six applications\n')
  while (!stop.signal.aborted && performance.now() - startedMs < GIVE_UP_MS) {
    if (await askPage()) {
      process.stdout.write(`\nThe page is good after ${((performance.now() - startedMs) / 1000).toFixed(1)} s: ${page}\n\n`)
      return true
    }
    await sleep(100)
  }
  return false
}

/** Good: all parts are there; a part that cannot be had is marked as an alert. */
async function askPage(): Promise<boolean> {
  try {
    const response = await fetch(page, { signal: AbortSignal.timeout(3000) })
    const text = await response.text()
    return response.ok && text.includes('What readers say') && !text.includes('role="alert"')
  } catch {
    return false
  }
}

async function show(): Promise<void> {
  const stateOption = (await anotherMeshRuns()) ? ` --state ${state}` : ''
  process.stdout.write(isTty ? '\u001b[?1049h\u001b[2J' : `${tries(stateOption)}\n\n`)
  tableOwnsScreen = isTty
  const watch = new SidecarWatch(path.join(state, 'control.sock'))
  const endMs = values.seconds === undefined ? Number.POSITIVE_INFINITY : performance.now() + Number(values.seconds) * 1000
  const traffic = setInterval(() => void askPage(), 1000 / REQUESTS_PER_SECOND)
  let nextPlainMs = performance.now() + 3000
  try {
    while (!stop.signal.aborted && performance.now() < endMs) {
      const rows = await watch.read().catch(() => undefined)
      if (rows !== undefined && isTty) process.stdout.write(redraw(picture({ page, rows, stateOption, latest })))
      else if (rows !== undefined && performance.now() > nextPlainMs) {
        process.stdout.write(`${sidecarTable(rows)}\n\n`)
        nextPlainMs += PLAIN_EVERY_MS
      }
      await sleep(1000, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  } finally {
    clearInterval(traffic)
    if (tableOwnsScreen) process.stdout.write('\u001b[?1049l')
    tableOwnsScreen = false
  }
}

/** Then a command has to say which one it means. */
async function anotherMeshRuns(): Promise<boolean> {
  const others = knownStateFolders(stateRoot(process.env)).filter((folder) => folder !== state)
  const answers = await Promise.allSettled(others.map((folder) => connectMesh(path.join(folder, 'control.sock')).get('/v1/version')))
  return answers.some(({ status }) => status === 'fulfilled')
}

function finished(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1))
    child.once('error', () => resolve(1))
  })
}
