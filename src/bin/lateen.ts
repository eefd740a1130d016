#!/usr/bin/env node
// The program `lateen`: looks at the first word and loads only what that word needs. Also the place where the CLI meets the process:
// environment, streams, signals, exit code.
// Invariant: this file alone must run on Node 20: it hands over to Node 24 or says what is missing; all else may assume Node 24.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import module from 'node:module'
import { Socket } from 'node:net'
import { homedir } from 'node:os'
import path from 'node:path'

const NEEDED_NODE = 24
/** A file descriptor that ends when the process that handed over to us dies. */
const PARENT_PIPE = 'LATEEN_PARENT_PIPE'

const here = import.meta.dirname
const repository =
  [path.join(here, '..'), path.join(here, '..', '..')].find((folder) => existsSync(path.join(folder, 'package.json'))) ?? here

if (Number(process.versions.node.split('.')[0]) < NEEDED_NODE) handOver()
else main().then(exitWith, failWith)

/** A long-running program ends here and not by itself: a stray handle must not keep it alive. */
function exitWith(code: number | undefined): void {
  process.exitCode = code ?? 0
  // Output to a pipe is asynchronous; an empty write returns after everything before it was taken.
  process.stdout.write('', () => process.stderr.write('', () => process.exit()))
}

/** Expected failures never get here: a stack trace is asked for, not forced on people. */
function failWith(error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`lateen: ${message}\n`)
  if (process.env.LATEEN_DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  exitWith(1)
}

async function main(): Promise<number | undefined> {
  const [, , first = 'help', ...rest] = process.argv
  // `help proxy` is `proxy --help`: those programs are not among the commands of cli/.
  const isHelp = first === 'help' && rest[0] !== undefined
  const [word = first, ...args] = isHelp ? [rest[0], '--help'] : [first, ...rest]
  enableCompileCache()
  switch (word) {
    case 'proxy':
      return runLong((await import('./proxy.ts')).runProxy(args, process.env))
    case 'control-plane':
      return runLong((await import('./control-plane.ts')).runControlPlane(args, process.env))
    case 'iptables':
      return (await import('./iptables.ts')).runIptables(args, process.env)
    case 'guardian':
      return runGuardianProcess()
    default:
      return runCli(word, args)
  }
}

/** Where nothing may be written (a read-only container) or the user has no home, programs are compiled at each start: nothing more. */
function enableCompileCache(): void {
  try {
    module.enableCompileCache?.(path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 'lateen'))
  } catch {
    // No home: a user that is only a number.
  }
}

async function runLong(running: Promise<number | undefined>): Promise<number> {
  return (await running) ?? 0
}

async function runGuardianProcess(): Promise<number> {
  const { killProcessGroup, runGuardian } = await import('../standalone/guardian.ts')
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
  await runGuardian(process.stdin, killProcessGroup)
  return 0
}

async function runCli(word: string, args: readonly string[]): Promise<number> {
  const [{ runCommand }, { systemClock }, { systemRandom }] = await Promise.all([
    import('../cli/run-command.ts'),
    import('../base/clock.ts'),
    import('../base/random.ts'),
  ])
  return runCommand(word, args, {
    write: (text) => void process.stdout.write(text),
    writeError: (text) => void process.stderr.write(text),
    readInput: async () => {
      let text = ''
      for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk)
      return text
    },
    env: process.env,
    cwd: process.cwd(),
    colour: process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === '',
    sidecarNodeOptions: word === 'run' ? (await import('./proxy.ts')).PROXY_EXEC_ARGV : [],
    program: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    node: process.execPath,
    version: ownVersion(),
    clock: systemClock,
    random: systemRandom,
    signal: stopSignal(),
  })
}

function ownVersion(): string {
  const value: unknown = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8'))
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : 'unknown'
}

/** Aborts at the first SIGINT, SIGTERM or SIGHUP, or when the program that handed over dies; the second SIGINT ends at once. */
function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted && signal === 'SIGINT') process.exit(130)
      stop.abort()
    })
  }
  const pipe = Number(process.env[PARENT_PIPE] ?? Number.NaN)
  delete process.env[PARENT_PIPE]
  if (Number.isInteger(pipe)) {
    const parent = new Socket({ fd: pipe, readable: true, writable: false })
    for (const event of ['end', 'error'] as const) parent.on(event, () => stop.abort())
    parent.unref()
    parent.resume()
  }
  // Whoever reads our output may be gone (`lateen get | head`): that is a reason to stop, not a stack trace.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => stop.abort())
  return stop.signal
}

/** Runs the same program under the Node 24 that the repository has locked. */
function handOver(): void {
  const found = [`node-${process.platform}-${process.arch}/bin/node`, '.bin/node']
    .map((name) => path.join(repository, 'node_modules', name))
    .find((file) => existsSync(file))
  if (found === undefined) {
    process.stderr.write(
      `lateen: needs Node ${NEEDED_NODE} or later, this is ${process.versions.node}, and there is none in ${path.join(repository, 'node_modules')}. ` +
        `Install Node ${NEEDED_NODE} (https://nodejs.org), or run npm ci in ${repository}.\n`,
    )
    process.exit(1)
  }
  const child = spawn(found, process.argv.slice(1), {
    stdio: ['inherit', 'inherit', 'inherit', 'pipe'],
    env: { ...process.env, [PARENT_PIPE]: '3' },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => failWith(error))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}
