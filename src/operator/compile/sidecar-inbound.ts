// What a Sidecar says of its own side: listeners for the application, limits towards it. Called by sidecars.ts.
// Invariant (fails closed): a listener whose TLS cannot be ended is open to the mesh's own certificates alone, never to plaintext.
import { type Finding, finding } from '../../api/finding.ts'
import type { IstioIngressListener, Sidecar } from '../../api/generated/sidecar.gen.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { Protocol } from '../../model/service.ts'
import type { ApplicationAddress, IngressListener, SidecarScope } from '../../model/sidecar-scope.ts'
import { tlsOfPort, type Workload } from '../../model/workload.ts'
import { serverTlsOf } from './gateways.ts'
import { protocolOf, protocolOfWord } from './protocol.ts'
import { poolOf } from './traffic-policy.ts'

export function inboundOf({ spec }: Sidecar): Pick<SidecarScope, 'ingress' | 'inboundPool'> {
  const { ingress, inboundConnectionPool } = spec
  return {
    ingress: ingress === undefined || ingress.length === 0 ? undefined : ingress.flatMap(listenerOf),
    inboundPool: inboundConnectionPool === undefined ? undefined : poolOf(inboundConnectionPool),
  }
}

function listenerOf(listener: IstioIngressListener, index: number): readonly IngressListener[] {
  const { port, bind, captureMode, defaultEndpoint, connectionPool } = listener
  const { number = 0, name = '', protocol } = port
  if (number < 1 || number > 65_535) return []
  const tls = tlsOf(listener)
  return [
    {
      port: number,
      name,
      protocol: protocolInside(protocolOfWord(protocol) ?? protocolOf({ name, appProtocol: undefined, number }) ?? 'auto', protocol, tls),
      application: applicationOf(defaultEndpoint ?? ''),
      bind: captureMode !== 'NONE' ? undefined : bind === undefined || bind === '' ? '0.0.0.0' : bind,
      tls,
      pool: connectionPool === undefined ? undefined : poolOf(connectionPool),
      field: `spec.ingress[${index}]`,
    },
  ]
}

/** Passed through is not ended. */
function tlsOf({ tls }: IstioIngressListener): IngressListener['tls'] {
  if (tls === undefined) return undefined
  const made = serverTlsOf(tls)
  if (made?.mode === 'passthrough') return undefined
  return made !== undefined && 'certificates' in made ? made : 'unusable'
}

function protocolInside(protocol: Protocol, word: string | undefined, tls: IngressListener['tls']): Protocol {
  if (tls === undefined) return protocol
  if (word?.toUpperCase() === 'HTTPS') return 'http'
  // What a client of the application's own certificates says, only the application can tell.
  return protocol === 'tls' || protocol === 'auto' ? 'tcp' : protocol
}

/** `127.0.0.1:8080`, `[::1]:8080`, `0.0.0.0:8080`, `[::]:8080`, `:8080`, `unix:///path`. */
function applicationOf(text: string): ApplicationAddress | undefined {
  if (text.startsWith('unix://')) return { kind: 'socket', path: text.slice('unix://'.length) }
  const [, host = '', digits = ''] = /^(127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\])?:(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (port < 1 || port > 65_535) return undefined
  if (host === '127.0.0.1') return { kind: 'loopback', host, port }
  return host === '[::1]' ? { kind: 'loopback', host: '::1', port } : { kind: 'instance', port }
}

/** What cannot be as it was written, at the workloads that the Sidecar is for. */
export function ingressFindings(
  object: Sidecar,
  { ingress = [], workloadLabels, namespace }: SidecarScope,
  workloads: Iterable<Workload>,
): readonly Finding[] {
  if (ingress.length === 0) return []
  const own = [...workloads].filter((each) => each.namespace === namespace && hasLabels(each.labels, workloadLabels ?? {}))
  return ingress.flatMap(({ port, tls, bind, field }): readonly Finding[] => {
    const strict = tls === undefined ? undefined : own.find((workload) => tlsOfPort(workload, port).mode === 'strict')
    const bound = own.filter(({ capture }) => capture.kind === 'bind')
    const misses = bound.find(({ ports }) => !ports.some(({ number }) => number === port))
    return [
      ...(strict === undefined
        ? []
        : [finding('LTN0147', object, `${field}.tls`, { field: 'tls', reason: `mutual TLS is STRICT on port ${port} of ${strict.name}` })]),
      ...(misses === undefined ? [] : [finding('LTN0234', object, `${field}.port`, { port, workload: misses.name })]),
      ...(bind === undefined || bound.length === 0
        ? []
        : [finding('LTN0147', object, `${field}.captureMode`, { field: 'captureMode', reason: 'nothing is captured in this mesh' })]),
    ]
  })
}
