// The programs that the benchmark compares: our proxy, Envoy on the same bootstrap file, HAProxy and nginx where installed, configured
// to do as much of the same as they can (request id, access log). Each is pinned to the processor under test.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { PROXY_EXEC_ARGV } from '../../src/bin/proxy.ts'
import { endProcess, findEnvoy } from '../harness/envoy.ts'
import { connects } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'
import { type BenchBootstrap, benchBootstrap } from './bootstraps.ts'

const PROGRAM = path.resolve(import.meta.dirname, '../../dist/lateen.js')

/** Runs as `taskset -c CPUS`: `0` or `0,1`. */
export interface Peer {
  readonly name: string
  /** Why it cannot take part here, or undefined. */
  readonly missing: string | undefined
  start(options: BenchBootstrap, folder: string, cpus: string): Promise<ChildProcess>
}

/** Our proxy as everybody starts it, or with more: options of Node (a profile, a probe), data threads. */
export function lateenPeer(execArgv: readonly string[] = [], threads = 1): Peer {
  const command = [process.execPath, ...PROXY_EXEC_ARGV, ...execArgv, PROGRAM, 'proxy', '--concurrency', String(threads)]
  return { name: 'lateen', missing: undefined, start: (options, folder, cpus) => startOnBootstrap(command, options, folder, cpus) }
}

export function envoyPeer(threads = 1): Peer {
  const program = findEnvoy()
  const command = [program ?? '', '--concurrency', String(threads), '--disable-hot-restart', '--log-level', 'error']
  return {
    name: 'envoy',
    missing: program === undefined ? "not installed: 'npm run envoy'" : undefined,
    start: (options, folder, cpus) => startOnBootstrap(command, options, folder, cpus),
  }
}

export const PEERS: readonly Peer[] = [
  lateenPeer(),
  envoyPeer(),
  {
    name: 'haproxy',
    missing: has('haproxy') ? undefined : 'not installed',
    start: (options, folder, cpus) => startOnFile(['haproxy', '-db', '-f'], haproxyConfig(options), 'haproxy', options, folder, cpus),
  },
  {
    name: 'nginx',
    missing: has('nginx') ? undefined : 'not installed',
    start: (options, folder, cpus) => startOnFile(['nginx', '-c'], nginxConfig(options, folder), 'nginx', options, folder, cpus),
  },
]

export function findPeer(name: string): Peer {
  const found = PEERS.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no such peer: ${name}`)
  return found
}

function has(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

async function startOnBootstrap(command: readonly string[], options: BenchBootstrap, folder: string, cpus: string): Promise<ChildProcess> {
  return startOnFile([...command, '-c'], JSON.stringify(benchBootstrap(options)), 'bootstrap.json', options, folder, cpus)
}

async function startOnFile(
  command: readonly string[],
  content: string,
  name: string,
  options: BenchBootstrap,
  folder: string,
  cpus: string,
): Promise<ChildProcess> {
  const file = path.join(folder, `${options.name}-${name}`)
  writeFileSync(file, content)
  const child = spawn('taskset', ['-c', cpus, ...command, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  try {
    await waitFor(() => connects(options.listenPort), { what: `${command.join(' ')} ${file}`, while: () => child.exitCode === null })
  } catch (error) {
    await endProcess(child)
    throw new Error(errors, { cause: error })
  }
  return child
}

function haproxyConfig(options: BenchBootstrap): string {
  const bindTls = options.downstreamTls
  const serverTls = options.upstreamTls
  if (bindTls !== undefined) bundle(bindTls.chain, bindTls.key)
  if (serverTls !== undefined) bundle(serverTls.chain, serverTls.key)
  const alpn = options.downstreamTls?.alpn ?? options.upstreamTls?.alpn
  const h2 = alpn === undefined ? '' : ' alpn h2'
  const bind =
    bindTls === undefined ? '' : ` ssl crt ${bindTls.chain}.bundle ca-file ${bindTls.roots} verify required ssl-min-ver TLSv1.3${h2}`
  const server =
    serverTls === undefined ? '' : ` ssl crt ${serverTls.chain}.bundle ca-file ${serverTls.roots} verify required ssl-min-ver TLSv1.3${h2}`
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 10s
  option httplog
  log stderr format raw local0 emerg
frontend in
  bind 127.0.0.1:${options.listenPort}${bind}
  unique-id-format %{+X}o\\ %ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header x-request-id
  default_backend up
backend up
  http-reuse always
  server up 127.0.0.1:${options.upstreamPort}${server}
`
}

/** HAProxy wants certificate and key in one file. */
function bundle(chain: string, key: string): void {
  spawnSync('sh', ['-c', 'cat "$1" "$2" > "$1.bundle"', 'sh', chain, key])
}

function nginxConfig(options: BenchBootstrap, folder: string): string {
  const inTls = options.downstreamTls
  const outTls = options.upstreamTls
  const listen =
    inTls === undefined
      ? ''
      : `ssl_certificate ${inTls.chain}; ssl_certificate_key ${inTls.key}; ssl_client_certificate ${inTls.roots}; ssl_verify_client on; ssl_protocols TLSv1.3;`
  const upstream =
    outTls === undefined
      ? ''
      : `proxy_ssl_certificate ${outTls.chain}; proxy_ssl_certificate_key ${outTls.key}; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse on;`
  return `daemon off;
worker_processes 1;
pid ${folder}/${options.name}-nginx.pid;
error_log ${folder}/${options.name}-nginx.error crit;
events { worker_connections 8192; }
http {
  access_log ${options.accessLogPath} combined buffer=64k flush=1s;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  keepalive_requests 100000000;
  upstream up { server 127.0.0.1:${options.upstreamPort}; keepalive 512; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${options.listenPort}${inTls === undefined ? '' : ' ssl'} backlog=4096;
    ${listen}
    location / {
      proxy_pass ${outTls === undefined ? 'http' : 'https'}://up; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header x-request-id $request_id;
      ${upstream}
    }
  }
}
`
}
