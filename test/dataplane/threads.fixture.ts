// A data plane of several threads on one listener, with whatever counts them. Its threads are real ones, running the proxy's own program.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { type LogFields, type Logger, silentLogger } from '../../src/base/log.ts'
import type { Secret } from '../../src/envoy/generated/messages.gen.ts'
import { LocalSecretStore } from '../../src/proxy/certs/local-secret-store.ts'
import { Assembler, type Received, type Resources } from '../../src/proxy/config/assemble.ts'
import { decodeBootstrap } from '../../src/proxy/config/decode-bootstrap.ts'
import { anyOf, cluster, endpoint, listener, manager, readBootstrap, settings } from '../../src/proxy/config/resources.fixture.ts'
import { ThreadedDataPlane } from '../../src/proxy/threads/threaded-data-plane.ts'
import { freePorts } from '../harness/ports.ts'

export const THREAD_PROGRAM = path.resolve(import.meta.dirname, '../../src/bin/proxy-thread.ts')
const SELF = { workload: 'w', namespace: 'n', app: 'a', version: 'v', canonicalName: 'w', canonicalRevision: 'v', cluster: 'c' }

export interface Site {
  readonly port: number
  readonly upstreamPort: number
  /** 'stdout': to standard output. */
  readonly logFile: string
  readonly transportSocket?: object
  readonly body?: string
  readonly maxRequests?: number
}

/** A listener that answers /local itself and forwards the rest. */
export function siteBootstrap(
  { port, upstreamPort, logFile, body = 'one', maxRequests, transportSocket }: Site,
  fields: object = {},
): object {
  const direct = { match: { path: '/local' }, direct_response: { status: 200, body: { inline_string: body } } }
  const forward = { match: { safe_regex: { regex: '/.*' } }, route: { cluster: 'reviews' } }
  const log_format = { text_format_source: { inline_string: '%REQ(:PATH)% %RESPONSE_CODE% END\n' } }
  const log =
    logFile === 'stdout'
      ? { name: 'stdout', typed_config: anyOf('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog', { log_format }) }
      : { name: 'file', typed_config: anyOf('envoy.extensions.access_loggers.file.v3.FileAccessLog', { path: logFile, log_format }) }
  const http = manager({
    access_log: [log],
    route_config: { name: 'local', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [direct, forward] }] },
  })
  const limits = maxRequests === undefined ? {} : { circuit_breakers: { thresholds: [{ max_requests: maxRequests }] } }
  const load = { cluster_name: 'reviews', endpoints: [{ lb_endpoints: [endpoint('127.0.0.1', upstreamPort)] }] }
  return {
    static_resources: {
      listeners: [
        listener({
          address: { socket_address: { address: '127.0.0.1', port_value: port } },
          filter_chains: [{ filters: [http], ...(transportSocket !== undefined && { transport_socket: transportSocket }) }],
        }),
      ],
      clusters: [cluster({ load_assignment: load, ...limits })],
    },
    ...fields,
  }
}

export function startPlane(t: TestContext, threads = 2) {
  const lines: string[] = []
  const log: Logger = {
    ...silentLogger,
    error: (message: string, fields?: LogFields) => void lines.push(`${message} ${JSON.stringify(fields)}`),
  }
  const secrets = new LocalSecretStore(systemClock, log)
  const assembler = new Assembler(settings)
  const plane = new ThreadedDataPlane({
    threads,
    program: THREAD_PROGRAM,
    data: {
      version: 'test',
      self: SELF,
      nodeId: 'node',
      maxDownstreamConnections: undefined,
      allowUnsupported: false,
      secrets: new Map<string, Secret>(),
    },
    originOf: (part) => assembler.originOf(part),
    secrets,
    clock: systemClock,
    log,
  })
  t.after(() => plane.finish())
  return { plane, secrets, log: lines, apply: (resources: Resources) => plane.apply(assembler.assemble(resources, plane.config).config) }
}

/** Received resources of a bootstrap's static ones. */
export function resourcesOf(json: object): Resources {
  const { message, dropped } = readBootstrap(json)
  const decoded = decodeBootstrap(message, settings, dropped)
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems))
  return decoded.value.resources
}

/** What did not change is the same object, as when a control plane sends one resource and not the others. */
export function withListeners(before: Resources, after: Resources): Resources {
  return { ...before, listeners: new Map<string, Received<object>>(after.listeners) }
}

export async function setUpSite(t: TestContext): Promise<Site & { readonly folder: string; readonly lines: () => readonly string[] }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-threads-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [port = 0] = await freePorts(1)
  const upstream = http.createServer((request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    upstream.closeAllConnections()
    upstream.close()
  })
  const address = upstream.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const logFile = path.join(folder, 'access.log')
  return {
    port,
    upstreamPort: address.port,
    logFile,
    folder,
    lines: () => readFileSync(logFile, 'utf8').split('\n').slice(0, -1),
  }
}
