// A real Envoy is the oracle of the differential tests. It comes as a package: 'npm run envoy' installs it under .cache.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { waitForHttp } from './wait.ts'

/** The newest release when these tests were written; raising it is a one-line change that the differential suite judges. */
export const ENVOY_VERSION = '1.40.0'
export const ENVOY_FOLDER = path.resolve(import.meta.dirname, '../../.cache/envoy')

/** ENVOY_BINARY, then the installed package. */
export function findEnvoy(): string | undefined {
  const candidates = [process.env.ENVOY_BINARY, path.join(ENVOY_FOLDER, 'envoy/_bin/envoy')]
  return candidates.find((file): file is string => file !== undefined && isExecutable(file))
}

/** For a test that cannot say anything without Envoy: skips with the reason, or fails where CI promises one. */
export function requireEnvoy(t: TestContext): string | undefined {
  const binary = findEnvoy()
  if (binary !== undefined) return binary
  const reason = "no Envoy here; 'npm run envoy' installs one, or set ENVOY_BINARY"
  if (process.env.CI === 'true') throw new Error(`${reason}: CI must have it`)
  t.skip(reason)
  return undefined
}

export interface RunningEnvoy {
  readonly pid: number
  readonly adminPort: number
  readonly output: () => string
  stop(): Promise<void>
}

/** Starts Envoy with a bootstrap whose admin port is `adminPort`, and waits until its listeners are active. */
export async function startEnvoy(
  binary: string,
  bootstrap: unknown,
  adminPort: number,
  options: { readonly concurrency?: number } = {},
): Promise<RunningEnvoy> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lateen-envoy-'))
  const file = path.join(folder, 'bootstrap.json')
  await writeFile(file, JSON.stringify(bootstrap))
  const outputFile = path.join(folder, 'output')
  const printed = await open(outputFile, 'a')
  const child = spawn(
    binary,
    [
      '-c',
      file,
      '--concurrency',
      String(options.concurrency ?? 1),
      '--disable-hot-restart',
      '--log-level',
      'warning',
      '--drain-time-s',
      '1',
    ],
    {
      // A file and no pipe: Node's pipes are sockets, and Envoy cannot open /dev/stdout (its access log) when that is a socket.
      stdio: ['ignore', printed.fd, printed.fd],
    },
  )
  await printed.close()
  let lastWords = ''
  const output = (): string => (existsSync(outputFile) ? readFileSync(outputFile, 'utf8') : lastWords)
  const stop = async (): Promise<void> => {
    await endProcess(child)
    lastWords = output()
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await waitForHttp(`http://127.0.0.1:${adminPort}/ready`, { while: () => child.exitCode === null, what: 'Envoy' })
  } catch (error) {
    await stop()
    throw new Error(`Envoy did not become ready:\n${lastWords}`, { cause: error })
  }
  return { pid: child.pid ?? 0, adminPort, output, stop }
}

/** `envoy --mode validate` on a bootstrap: undefined when accepted, Envoy's words when not. */
export async function validateWithEnvoy(binary: string, bootstrap: unknown): Promise<string | undefined> {
  const folder = await mkdtemp(path.join(tmpdir(), 'lateen-envoy-'))
  try {
    const file = path.join(folder, 'bootstrap.json')
    await writeFile(file, JSON.stringify(bootstrap))
    const child = spawn(binary, ['-c', file, '--mode', 'validate', '--log-level', 'error', '--concurrency', '1'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const [code] = await once(child, 'exit')
    return code === 0 ? undefined : output
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** SIGTERM, then SIGKILL after five seconds; resolves when the process is gone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const hard = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(hard)
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
