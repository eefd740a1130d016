// A probe or lifecycle handler made on the kubelet's behalf, with its answer as an HTTP status: what the kubelet would have seen, it sees.
// Called by agent-routes.ts. Rules are the kubelet's (pkg/probe): redirects are followed within the host only, any certificate will do.
// Invariant: the answer comes within the probe's timeout, whatever the application does.
import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '../../base/clock.ts'
import { errorMessage } from '../../base/errors.ts'
import type { AgentProbe, HttpGetProbe } from '../../envoy/agent-settings.ts'
import { callApplication } from './application-calls.ts'
import { checkGrpcHealth } from './grpc-health.ts'
import { type GetRequest, httpGet } from './http-get.ts'

export interface ProbeAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Buffer
}

export interface ProbeContext {
  readonly podAddress: string
  readonly clock: Clock
  /** Of the kubelet's own request: its User-Agent reaches the application. */
  readonly headers: IncomingHttpHeaders
}

/** Kubernetes' default. */
const DEFAULT_TIMEOUT_MS = 1000
/** The kubelet reads no more of a body. */
const MAX_BODY_BYTES = 10 * 1024
const MAX_REDIRECTS = 10
/** Of the connection between kubelet and agent, or set anew. */
const NOT_FORWARDED = new Set([
  'host',
  'connection',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'accept-encoding',
])

/** @param defaultTimeoutMs a lifecycle handler may take as long as the pod's grace period. */
export async function runProbe(probe: AgentProbe, context: ProbeContext, defaultTimeoutMs = DEFAULT_TIMEOUT_MS): Promise<ProbeAnswer> {
  const timeoutMs = probe.timeoutSeconds === undefined ? defaultTimeoutMs : probe.timeoutSeconds * 1000
  const late = new AbortController()
  const timer = context.clock.after(timeoutMs, () => late.abort(new Error(`no answer within ${timeoutMs} ms`)), { background: true })
  try {
    return await perform(probe, context, timeoutMs, late.signal)
  } catch (error) {
    return failed(errorMessage(error))
  } finally {
    timer.cancel()
  }
}

async function perform(probe: AgentProbe, context: ProbeContext, timeoutMs: number, signal: AbortSignal): Promise<ProbeAnswer> {
  const { podAddress, clock } = context
  const { httpGet: get, tcpSocket, grpc } = probe
  if (get !== undefined) return follow(firstRequest(get, context), podAddress, signal)
  if (tcpSocket !== undefined) {
    const socket = await callApplication({ host: tcpSocket.host ?? podAddress, port: tcpSocket.port }, podAddress, signal)
    socket.destroy()
    return { status: 200, contentType: 'text/plain', body: '' }
  }
  if (grpc === undefined) return failed('the probe has no handler')
  const to = { host: podAddress, port: grpc.port, service: grpc.service ?? '' }
  const problem = await checkGrpcHealth(to, podAddress, clock, timeoutMs, signal)
  return problem === undefined ? { status: 200, contentType: 'text/plain', body: '' } : failed(problem)
}

async function follow(first: GetRequest, podAddress: string, signal: AbortSignal): Promise<ProbeAnswer> {
  let request = first
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const { status, contentType, location, body } = await httpGet(request, podAddress, signal)
    const next = status >= 300 && status < 400 && location !== undefined ? redirected(request, location) : undefined
    // To another host: the kubelet calls that a success, and so it is for the application.
    if (next === undefined) return { status, contentType, body }
    request = next
  }
  return failed(`stopped after ${MAX_REDIRECTS} redirects`)
}

function redirected(request: GetRequest, location: string): GetRequest | undefined {
  const host = request.host.includes(':') ? `[${request.host}]` : request.host
  const from = `${request.secure ? 'https' : 'http'}://${host}:${request.port}${request.path}`
  const to = URL.parse(location, from)
  if (to === null || to.hostname !== new URL(from).hostname || !/^https?:$/.test(to.protocol)) return undefined
  const secure = to.protocol === 'https:'
  return { ...request, secure, port: to.port === '' ? (secure ? 443 : 80) : Number(to.port), path: `${to.pathname}${to.search}` }
}

function firstRequest(
  { host, port, path = '/', scheme, httpHeaders = [] }: HttpGetProbe,
  { podAddress, headers }: ProbeContext,
): GetRequest {
  const fields: Record<string, string | string[]> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined && !NOT_FORWARDED.has(name)) fields[name] = value
  const given = new Set<string>()
  for (const { name, value } of httpHeaders) {
    const key = name.toLowerCase()
    const known = fields[key]
    fields[key] = !given.has(key) || known === undefined ? value : [known, value].flat()
    given.add(key)
  }
  return {
    host: host === undefined || host === '' ? podAddress : host,
    port,
    path: path.startsWith('/') ? path : `/${path}`,
    secure: scheme === 'HTTPS',
    headers: fields,
    maxBytes: MAX_BODY_BYTES,
  }
}

function failed(why: string): ProbeAnswer {
  return { status: 500, contentType: 'text/plain', body: `${why}\n` }
}
