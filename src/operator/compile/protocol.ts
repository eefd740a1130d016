// Which protocol a service's port speaks: appProtocol, else the port name's text before the first dash (Istio's protocol selection).
// Called by services.ts, service-entries.ts and workloads.ts.
import type { Protocol } from '../../model/service.ts'

const BY_NAME: ReadonlyMap<string, Protocol> = new Map([
  ['http', 'http'],
  ['http_proxy', 'http'],
  ['http2', 'http2'],
  ['grpc', 'http2'],
  ['grpc-web', 'http2'],
  ['https', 'tls'],
  ['tls', 'tls'],
  ['tcp', 'tcp'],
  ['mongo', 'tcp'],
  ['redis', 'tcp'],
  ['mysql', 'tcp'],
  ['kubernetes.io/h2c', 'http2'],
  ['kubernetes.io/ws', 'http'],
  ['kubernetes.io/wss', 'tls'],
])

/** Istio's list. Ports of protocols in which the server speaks first: never HTTP, however they are named. */
const SERVER_FIRST: ReadonlySet<number> = new Set([25, 53, 3306, 27017])

/** Undefined: the user does not say, and the number does not tell. */
export function protocolOf(port: {
  readonly name: string
  readonly appProtocol: string | undefined
  readonly number: number
}): Protocol | undefined {
  const named = (port.appProtocol === undefined ? undefined : BY_NAME.get(port.appProtocol.toLowerCase())) ?? protocolOfName(port.name)
  return named ?? (SERVER_FIRST.has(port.number) ? 'tcp' : undefined)
}

/** The protocol field of a ServiceEntry, Gateway or Sidecar port, which has the same words; undefined: not said. */
export function protocolOfWord(word: string | undefined): Protocol | undefined {
  return word === undefined ? undefined : BY_NAME.get(word.toLowerCase().replaceAll('_', '-'))
}

export function protocolOfName(name: string): Protocol | undefined {
  const lower = name.toLowerCase()
  if (lower === 'grpc-web' || lower.startsWith('grpc-web-')) return 'http2'
  return BY_NAME.get(lower.split('-', 1)[0] ?? '')
}
