// What the rows of the protocol benchmark put through a proxy: who answers behind it, who asks, and how much came through.
// Called by protocols.ts. Backends and clients cost less than what stands between them, and share one processor, never the proxy's.
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { connects, freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { BENCH_HOST, type BenchBootstrap } from './bootstraps.ts'
import { OTHERS_CPU } from './chains.ts'
import { client, startProgram } from './programs.ts'

const run = promisify(execFile)
const MIB = 2 ** 20
const LARGE_BYTES = 10 * MIB

export interface Load {
  readonly port: number
  readonly seconds: number
  readonly folder: string
}

export interface Traffic {
  readonly row: string
  readonly what: string
  /** In what `run` counts, and how many of them are one unit of the table. */
  readonly unit: string
  readonly protocol: NonNullable<BenchBootstrap['protocol']>
  /** Most that it may cost, against Envoy. */
  readonly maxRatio: number
  /** So many bring a proxy to its steady state. */
  readonly warmUnits: number
  readonly startBackend: (folder: string) => Promise<{ readonly child: ChildProcess; readonly port: number }>
  /** How many units came through whole; throws when any did not. */
  readonly run: (load: Load) => Promise<number>
  /** Programs that must be here. */
  readonly needs: readonly string[]
}

const STREAMS = ['-c', '16', '-m', '10']

export const TRAFFIC: readonly Traffic[] = [
  {
    row: 'S3',
    what: 'HTTP/2, 16 x 10 streams, 200 B',
    unit: 'request',
    protocol: 'http2',
    maxRatio: 0.75,
    warmUnits: 60_000,
    startBackend: (folder) => startNginx(folder, true),
    run: (load) => h2load(load, STREAMS, '/small'),
    needs: ['nginx', 'h2load'],
  },
  {
    row: 'G1',
    what: 'gRPC unary, 16 x 10 streams, 100 B',
    unit: 'call',
    protocol: 'http2',
    maxRatio: 0.75,
    warmUnits: 60_000,
    startBackend: (folder) => startNginx(folder, true),
    run: (load) => h2load(load, [...STREAMS, ...grpcMessage(load.folder)], '/grpc'),
    needs: ['nginx', 'h2load'],
  },
  {
    row: 'G2',
    what: 'gRPC streams, 16 x 10, 100 B each way',
    unit: 'message',
    protocol: 'http2',
    maxRatio: 1,
    warmUnits: 400_000,
    startBackend: () => startProgram('grpc-stream-program.ts'),
    run: async ({ port, seconds }) => (await client('grpc-stream-program.ts', [port, seconds, 16, 10])).units ?? 0,
    needs: [],
  },
  {
    row: 'W1',
    what: 'WebSocket, 64 connections, 100 B frames',
    unit: 'frame',
    protocol: 'http1',
    maxRatio: 1,
    warmUnits: 100_000,
    startBackend: () => startProgram('websocket-program.ts'),
    run: async ({ port, seconds }) => (await client('websocket-program.ts', [port, seconds, 64])).units ?? 0,
    needs: [],
  },
  {
    row: 'T1',
    what: 'TCP, 4 connections, 64 MiB each',
    unit: 'GiB',
    protocol: 'tcp',
    maxRatio: 1,
    warmUnits: 8,
    startBackend: () => startProgram('tcp-program.ts'),
    run: async ({ port, seconds }) => ((await client('tcp-program.ts', [port, seconds, 4, 64 * MIB])).bytes ?? 0) / 2 ** 30,
    needs: [],
  },
  {
    row: 'T2',
    what: 'TCP, short connections, 16 at a time',
    unit: 'connection',
    protocol: 'tcp',
    maxRatio: 1.2,
    warmUnits: 20_000,
    startBackend: () => startProgram('tcp-program.ts'),
    run: async ({ port, seconds }) => (await client('tcp-program.ts', [port, seconds, 16, 100])).connections ?? 0,
    needs: [],
  },
  {
    row: 'B1',
    what: 'answers of 10 MiB, HTTP/1.1',
    unit: 'GiB',
    protocol: 'http1',
    maxRatio: 1.1,
    warmUnits: 4,
    startBackend: (folder) => startNginx(folder, false),
    run: async (load) => ((await h2load(load, ['--h1', '-c', '4'], '/large')) * LARGE_BYTES) / 2 ** 30,
    needs: ['nginx', 'h2load'],
  },
  {
    row: 'B2',
    what: 'requests of 10 MiB, HTTP/1.1',
    unit: 'GiB',
    protocol: 'http1',
    maxRatio: 1.1,
    warmUnits: 4,
    startBackend: () => startProgram('../harness/backend-program.ts', ['0', '2']),
    run: async (load) => ((await h2load(load, ['--h1', '-c', '4', ...largeBody(load.folder)], '/upload')) * LARGE_BYTES) / 2 ** 30,
    needs: ['h2load'],
  },
]

export function missingFor({ needs }: Traffic): readonly string[] {
  return needs.filter((program) => spawnSync('which', [program]).status !== 0)
}

/** Starts with five octets as gRPC's framing has; the proxies do not look inside. */
function grpcMessage(folder: string): readonly string[] {
  const file = path.join(folder, 'message')
  writeFileSync(file, Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, 'm')]))
  return ['-d', file, '-H', 'content-type: application/grpc', '-H', 'te: trailers']
}

function largeBody(folder: string): readonly string[] {
  const file = path.join(folder, 'large-body')
  writeFileSync(file, Buffer.alloc(LARGE_BYTES, 'l'))
  return ['-d', file]
}

/** Answers that were 200 and whole; h2load fails the others. */
async function h2load({ port, seconds }: Load, options: readonly string[], target: string): Promise<number> {
  const args = [
    '-c',
    String(OTHERS_CPU),
    'h2load',
    '-D',
    `${Math.round(seconds * 1000)}ms`,
    ...options,
    '-H',
    `:authority: ${BENCH_HOST}`,
    '-H',
    'user-agent: bench',
  ]
  const { stdout } = await run('taskset', [...args, `http://127.0.0.1:${port}${target}`])
  const [, ok = '', three = '', four = '', five = ''] = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(stdout) ?? []
  const broken = /(\d+) failed, (\d+) errored, (\d+) timeout/.exec(stdout)?.[0] ?? ''
  if (Number(ok) === 0 || Number(three) + Number(four) + Number(five) > 0 || broken !== '0 failed, 0 errored, 0 timeout')
    throw new Error(`not every request was answered with 200:\n${stdout}`)
  return Number(ok)
}

/** nginx 1.22 does not tell the protocol from the first octets: a listener speaks one. */
async function startNginx(folder: string, http2: boolean): Promise<{ child: ChildProcess; port: number }> {
  const [port = 0] = await freePorts(1)
  writeFileSync(path.join(folder, 'large'), Buffer.alloc(LARGE_BYTES, 'l'))
  writeFileSync(path.join(folder, 'small'), Buffer.alloc(200, 's'))
  const file = path.join(folder, 'nginx.conf')
  writeFileSync(file, nginxConfig(folder, `127.0.0.1:${port}${http2 ? ' http2' : ''}`))
  const child = spawn('taskset', ['-c', String(OTHERS_CPU), 'nginx', '-c', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  await waitFor(() => connects(port), { what: 'nginx', while: () => child.exitCode === null })
  return { child, port }
}

function nginxConfig(folder: string, listen: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  return `daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log ${folder}/nginx.error crit;
events { worker_connections 4096; }
http {
  access_log off;
  ${temporary}
  keepalive_requests 1000000000;
  keepalive_time 1d;
  client_max_body_size 0;
  open_file_cache max=10;
  sendfile on;
  server {
    listen ${listen} backlog=4096;
    root ${folder};
    location /grpc { add_trailer grpc-status 0; default_type application/grpc; return 200 "12345${'m'.repeat(100)}"; }
  }
}
`
}
