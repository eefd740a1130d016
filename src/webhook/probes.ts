// Kubernetes' probes and lifecycle calls go to the proxy's agent, which calls the application from inside: the kubelet has no certificate of
// the mesh, so under strict mTLS it would be refused. As Istio does it: httpGet, tcpSocket and grpc; exec stays. Pure.
// Invariant: what is rewritten here has its original under the same path in LATEEN_AGENT, and in what restore.ts needs to undo it.
import { isRecord } from '../api/record.ts'
import type { AgentProbe } from '../envoy/agent-settings.ts'
import type { Container, Json } from './pod.ts'

const PROBES = [
  ['livenessProbe', 'livez'],
  ['readinessProbe', 'readyz'],
  ['startupProbe', 'startupz'],
] as const

const HOOKS = [
  ['postStart', 'poststartz'],
  ['preStop', 'prestopz'],
] as const

export const AGENT_PATH = /^\/app-(?:health|lifecycle)\//

export interface RewrittenContainer {
  readonly container: Container
  /** Path on the agent -> what was meant. */
  readonly probes: Readonly<Record<string, AgentProbe>>
  /** Field -> its value before. */
  readonly originals: Json
  readonly warnings: readonly string[]
}

export function rewriteProbes(container: Container, statusPort: number): RewrittenContainer {
  const probes: Record<string, AgentProbe> = {}
  const originals: Record<string, unknown> = {}
  const changed: Record<string, unknown> = {}
  const warnings: string[] = []
  const rewrite = (handler: unknown, path: string, field: string): Json | undefined => {
    if (!isRecord(handler)) return undefined
    const meant = meaningOf(handler, container)
    if (meant === 'not ours') return undefined
    if (typeof meant === 'string') {
      warnings.push(`container ${container.name}: ${field} ${meant}, so the probe is left as it is`)
      return undefined
    }
    if (portOf(meant) === statusPort) return undefined
    probes[path] = typeof handler.timeoutSeconds === 'number' ? { ...meant, timeoutSeconds: handler.timeoutSeconds } : meant
    const { httpGet: _http, tcpSocket: _tcp, grpc: _grpc, ...rest } = handler
    return { ...rest, httpGet: { path, port: statusPort } }
  }
  for (const [field, word] of PROBES) {
    const made = rewrite(container[field], `/app-health/${container.name}/${word}`, field)
    if (made === undefined) continue
    originals[field] = container[field]
    changed[field] = made
  }
  const lifecycle: Record<string, unknown> = {}
  for (const [field, word] of HOOKS) {
    const made = rewrite(container.lifecycle?.[field], `/app-lifecycle/${container.name}/${word}`, `lifecycle.${field}`)
    if (made !== undefined) lifecycle[field] = made
  }
  if (Object.keys(lifecycle).length > 0) {
    originals.lifecycle = container.lifecycle
    changed.lifecycle = { ...container.lifecycle, ...lifecycle }
  }
  return { container: { ...container, ...changed }, probes, originals, warnings }
}

/** The handler with its port as a number; a sentence when there is no such port; 'not ours' for exec, sleep and nothing. */
function meaningOf({ httpGet, tcpSocket, grpc }: Json, container: Container): AgentProbe | string {
  const call = [httpGet, tcpSocket, grpc].find(isRecord)
  if (call === undefined) return 'not ours'
  const port = portNumber(call.port, container)
  if (port === undefined) return `names the port '${String(call.port)}', which the container does not have`
  if (call === grpc) return { grpc: { port, ...textOf('service', call.service) } }
  if (call === tcpSocket) return { tcpSocket: { port, ...textOf('host', call.host) } }
  const headers = Array.isArray(call.httpHeaders)
    ? call.httpHeaders.filter(isRecord).map(({ name, value }) => ({ name: String(name), value: String(value ?? '') }))
    : []
  return {
    httpGet: {
      port,
      ...textOf('path', call.path),
      ...(call.scheme === 'HTTPS' ? { scheme: 'HTTPS' as const } : {}),
      ...textOf('host', call.host),
      ...(headers.length > 0 ? { httpHeaders: headers } : {}),
    },
  }
}

function portOf({ httpGet, tcpSocket, grpc }: AgentProbe): number | undefined {
  return httpGet?.port ?? tcpSocket?.port ?? grpc?.port
}

function portNumber(port: unknown, { ports = [] }: Container): number | undefined {
  if (typeof port === 'number') return port
  if (typeof port !== 'string') return undefined
  return /^\d+$/.test(port) ? Number(port) : ports.find(({ name }) => name === port)?.containerPort
}

function textOf<Key extends string>(key: Key, value: unknown): { readonly [Name in Key]?: string } {
  // One key, whose type is the parameter's: TypeScript widens a computed key to string.
  return typeof value === 'string' && value !== '' ? ({ [key]: value } as { readonly [Name in Key]?: string }) : {}
}
