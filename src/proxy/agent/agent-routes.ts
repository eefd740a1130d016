// What the agent's ports answer, path by path: the status port (15020) everything, the health port (15021) readiness, the Prometheus port
// (15090) the proxy's own series. All interfaces: a kubelet and Prometheus come from outside.
// Invariant: what changes something needs POST from this pod itself; everybody else may only look.
import type { IncomingMessage } from 'node:http'
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from '../telemetry/prometheus-text.ts'
import type { AgentState } from './agent-state.ts'
import type { MergedMetrics } from './merged-metrics.ts'
import { runProbe } from './run-probe.ts'

export interface AgentAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Buffer | Iterable<string>
}

export type AgentRoutes = (request: IncomingMessage, path: string) => AgentAnswer | Promise<AgentAnswer>

/** A handler of Kubernetes' lifecycle has no timeout of its own; the pod's grace period ends it. */
const LIFECYCLE_TIMEOUT_MS = 600_000
const LOOK_AGAIN_MS = 20
const LONGEST_WAIT_MS = 10_000

export function statusRoutes(state: AgentState, metrics: MergedMetrics): AgentRoutes {
  return (request, path) => {
    switch (path) {
      case '/healthz/ready':
        return ready(state)
      case '/stats/prometheus':
      case '/metrics':
        return merged(metrics, request)
      case '/drain':
        return command(request, () => state.drain())
      case '/quitquitquit':
        return command(request, () => state.quit())
    }
    return probe(state, request, path)
  }
}

export function healthRoutes(state: AgentState): AgentRoutes {
  return (request, path) => (path === '/healthz/ready' ? readyWithin(state, waitOf(request)) : notFound(path))
}

export function prometheusRoutes(state: AgentState): AgentRoutes {
  return async (_, path) => {
    if (path !== '/stats/prometheus' && path !== '/metrics') return notFound(path)
    await state.collect()
    return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: prometheusText(state.families()) }
  }
}

function ready(state: AgentState): AgentAnswer {
  const readiness = state.readiness()
  return text(readiness.ready ? 200 : 503, readiness.reason)
}

/** `?wait=MS`: the answer is held back until there is a good one, or so long. The kubelet asks once a second at most, and the application's
 *  container starts on the answer: without it, a pod would start half a second later on average than its proxy allows. */
async function readyWithin(state: AgentState, waitMs: number): Promise<AgentAnswer> {
  const { clock } = state
  const untilMs = clock.monotonicMs() + waitMs
  while (!state.readiness().ready && clock.monotonicMs() < untilMs) await new Promise<void>((go) => void clock.after(LOOK_AGAIN_MS, go))
  return ready(state)
}

function waitOf({ url = '' }: IncomingMessage): number {
  const wait = Number(/[?&]wait=(\d{1,5})(?:&|$)/.exec(url)?.[1] ?? 0)
  return Math.min(wait, LONGEST_WAIT_MS)
}

async function merged(metrics: MergedMetrics, request: IncomingMessage): Promise<AgentAnswer> {
  const timeout = request.headers['x-prometheus-scrape-timeout-seconds']
  const body = await metrics.collect(typeof timeout === 'string' ? timeout : undefined)
  return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body }
}

async function probe(state: AgentState, request: IncomingMessage, path: string): Promise<AgentAnswer> {
  const { settings, podAddress, clock } = state
  const found = Object.hasOwn(settings.probes, path) ? settings.probes[path] : undefined
  if (found === undefined) return notFound(path)
  const context = { podAddress, clock, headers: request.headers }
  const answer = await (path.startsWith('/app-lifecycle/') ? runProbe(found, context, LIFECYCLE_TIMEOUT_MS) : runProbe(found, context))
  if (answer.status >= 400) state.log.debug('a probe of the application failed', { path, status: answer.status })
  return answer
}

function command(request: IncomingMessage, run: () => void): AgentAnswer {
  if (!isLoopback(request.socket.remoteAddress ?? '')) return text(403, 'forbidden: only from inside of the pod')
  // A page in somebody's browser can reach loopback; it cannot leave out its Origin.
  if (request.headers.origin !== undefined) return text(403, 'forbidden: not for browser pages')
  if (request.method !== 'POST') return text(405, 'method not allowed: needs POST')
  run()
  return text(200, 'OK')
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.')
}

function notFound(path: string): AgentAnswer {
  return text(404, `no such path: ${path}`)
}

function text(status: number, body: string): AgentAnswer {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` }
}
