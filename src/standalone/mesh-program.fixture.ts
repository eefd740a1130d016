// A program with the words of `lateen` that the supervisor starts, reduced to what the supervisor sees of them: a control plane that
// answers its socket with what is written in DIR/desired.json, a sidecar that says it is ready, and `run` itself.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { systemClock } from '../base/clock.ts'
import { systemRandom } from '../base/random.ts'
import { killProcessGroup, runGuardian } from './guardian.ts'
import { runMesh } from './run-mesh.ts'
import { describeStateFolder } from './state-folder.ts'

const [, , word = '', ...args] = process.argv
const option = (name: string): string => args[args.indexOf(name) + 1] ?? ''

/** Every process of the mesh leaves its number here, so that a test can ask whether it is gone. */
function leavePid(folder: string, name: string): void {
  mkdirSync(path.join(folder, 'pids'), { recursive: true })
  writeFileSync(path.join(folder, 'pids', `${name}-${process.pid}`), String(process.pid))
}

function controlPlane(): void {
  const dir = option('--dir')
  leavePid(dir, 'control-plane')
  const server = createServer((request, response) => {
    const answers: Record<string, () => unknown> = {
      '/v1/version': () => ({ version: '0.0.0', xds: { host: '127.0.0.1', port: 1 } }),
      '/v1/addresses': () => JSON.parse(readFileSync(path.join(dir, 'desired.json'), 'utf8')),
      '/v1/join-token': () => ({ token: 'lateen-join-x' }),
      '/v1/ready': () => ({}),
    }
    let body = ''
    request.on('data', (chunk) => {
      body += String(chunk)
    })
    request.on('end', () => {
      if (request.url === '/v1/ready') writeFileSync(path.join(dir, 'ready.json'), body)
      response.end(JSON.stringify(answers[request.url ?? '']?.()))
    })
  })
  server.listen(describeStateFolder(option('--state')).socket)
}

function sidecar(): void {
  const bootstrap = JSON.parse(readFileSync(option('-c'), 'utf8'))
  const { address, port_value: port } = bootstrap.admin.address.socket_address
  leavePid(path.join(option('--state'), '..', '..', '..', 'mesh'), 'sidecar')
  createServer((_request, response) => void response.end('LIVE\n')).listen(port, address)
}

async function run(): Promise<void> {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  await runMesh({
    dir: args[0] ?? '',
    state: args[1] ?? '',
    strategy: 'loopback',
    ingressPort: args[2] === undefined ? undefined : Number(args[2]),
    program: [process.execPath, import.meta.filename],
    node: process.execPath,
    sidecarNodeOptions: ['--max-old-space-size=128'],
    version: '0.0.0',
    env: process.env,
    write: (text) => void process.stdout.write(text),
    colour: false,
    clock: systemClock,
    random: systemRandom,
    signal: stop.signal,
  })
}

switch (word) {
  case 'control-plane':
    controlPlane()
    break
  case 'proxy':
    sidecar()
    break
  case 'guardian':
    await runGuardian(process.stdin, killProcessGroup)
    break
  default:
    await run().catch((error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
      process.exitCode = 1
    })
}
