// What the schema cannot say of a Sidecar.
import { isIP } from 'node:net'
import type { FieldPath } from '../field-path.ts'
import type { Destination, IstioEgressListener, IstioIngressListener, Sidecar } from '../generated/sidecar.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { checkTlsParameters } from './cipher-suites.ts'
import { checkConnectionPool } from './connection-pool.ts'
import { fqdnProblem, wildcardDomainProblem } from './hosts.ts'
import { checkLabels } from './matches.ts'
import { checkProtocol, isTlsProtocol } from './ports.ts'
import { checkPins } from './server-tls.ts'

export function checkSidecar({ spec }: Sidecar, report: Report): void {
  const path: FieldPath = ['spec']
  const { ingress = [], egress = [], outboundTrafficPolicy, inboundConnectionPool } = spec
  checkLabels(spec.workloadSelector?.labels, [...path, 'workloadSelector', 'labels'], report)
  if (ingress.length + egress.length === 0 && outboundTrafficPolicy === undefined && inboundConnectionPool === undefined) {
    report('LTN0136', path, { what: 'a Sidecar', needed: 'ingress, egress, outboundTrafficPolicy or inboundConnectionPool' }, 'key')
  }
  ingress.forEach((listener, index) => void checkIngress(listener, [...path, 'ingress', index], report))
  egress.forEach((listener, index) => {
    const at = [...path, 'egress', index]
    if (listener.port === undefined && index < egress.length - 1) {
      report('LTN0135', at, { first: 'a listener without port', second: 'listeners after it (it takes all that is left)' }, 'key')
    }
    checkEgress(listener, at, report)
  })
  const { egressProxy, mode } = outboundTrafficPolicy ?? {}
  if (egressProxy !== undefined) checkEgressProxy(egressProxy, mode, [...path, 'outboundTrafficPolicy', 'egressProxy'], report)
  if (inboundConnectionPool !== undefined) checkConnectionPool(inboundConnectionPool, [...path, 'inboundConnectionPool'], report)
}

function checkEgressProxy({ host, port }: Destination, mode: string | undefined, path: FieldPath, report: Report): void {
  if (mode !== 'ALLOW_ANY') report('LTN0135', path, { first: 'egressProxy', second: 'any mode but ALLOW_ANY' }, 'key')
  if (port?.number === undefined) report('LTN0136', path, { what: 'egressProxy', needed: 'port.number' }, 'key')
  const problem = host.includes('.') ? fqdnProblem(host) : 'an egress proxy needs a full name, not a short one'
  if (problem !== undefined) report('LTN0130', [...path, 'host'], { value: host, problem })
}

const DEFAULT_ENDPOINT = /^(?:(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\])?:\d{1,5}|unix:\/\/\/.+)$/

function checkIngress(listener: IstioIngressListener, path: FieldPath, report: Report): void {
  const { port, bind, captureMode, defaultEndpoint, connectionPool, tls } = listener
  if (tls !== undefined) checkIngressTls(tls, port.protocol ?? '', [...path, 'tls'], report)
  checkListenerPort(port, [...path, 'port'], report)
  if (bind !== undefined && bind !== '' && isIP(bind) === 0) report('LTN0139', [...path, 'bind'], { value: bind, expected: 'an address' })
  if (defaultEndpoint !== undefined && defaultEndpoint !== '' && !DEFAULT_ENDPOINT.test(defaultEndpoint)) {
    report('LTN0139', [...path, 'defaultEndpoint'], {
      value: defaultEndpoint,
      expected: "'127.0.0.1:port', '0.0.0.0:port' or 'unix:///path'",
    })
  }
  if (defaultEndpoint?.startsWith('unix://') === true) {
    const meanwhile = 'they answer 503, and close connections that are not HTTP'
    report('LTN0121', [...path, 'defaultEndpoint'], { field: 'a unix socket', meanwhile })
  }
  if (bind !== undefined && isIP(bind) !== 0 && captureMode !== 'NONE') {
    report(
      'LTN0147',
      [...path, 'bind'],
      { field: 'bind', reason: 'connections are captured whatever their address; set captureMode NONE' },
      'key',
    )
  }
  if (connectionPool !== undefined) checkConnectionPool(connectionPool, [...path, 'connectionPool'], report)
}

/** The certificate is the application's own, from files: the mesh's is what PeerAuthentication is about. */
function checkIngressTls(tls: NonNullable<IstioIngressListener['tls']>, protocol: string, path: FieldPath, report: Report): void {
  if (!isTlsProtocol(protocol)) report('LTN0135', path, { first: 'tls', second: `protocol ${protocol}` }, 'key')
  for (const field of ['subjectAltNames', 'httpsRedirect', 'credentialName', 'credentialNames', 'tlsCertificates'] as const) {
    if (tls[field] !== undefined) report('LTN0135', [...path, field], { first: field, second: "a sidecar's own TLS" }, 'key')
  }
  const { mode } = tls
  if (mode === 'ISTIO_MUTUAL' || mode === 'AUTO_PASSTHROUGH') {
    report('LTN0135', [...path, 'mode'], { first: `mode ${mode}`, second: "a sidecar's own TLS" })
  } else if (mode !== undefined && mode !== 'PASSTHROUGH') {
    for (const field of ['serverCertificate', 'privateKey'] as const) {
      if ((tls[field] ?? '') === '') report('LTN0136', path, { what: `TLS mode ${mode}`, needed: field }, 'key')
    }
  }
  checkTlsParameters(tls, path, report)
  checkPins(tls, path, report)
}

function checkEgress({ port, hosts, bind }: IstioEgressListener, path: FieldPath, report: Report): void {
  if (port !== undefined && bind?.startsWith('unix://') !== true) checkListenerPort(port, [...path, 'port'], report)
  if (hosts.length === 0) report('LTN0136', [...path, 'hosts'], { what: 'an egress listener', needed: 'hosts' }, 'key')
  hosts.forEach((host, index) => {
    const problem = importProblem(host)
    if (problem !== undefined) report('LTN0130', [...path, 'hosts', index], { value: host, problem })
  })
}

function checkListenerPort(port: NonNullable<IstioEgressListener['port']>, path: FieldPath, report: Report): void {
  const { number = 0, protocol, targetPort } = port
  if (number < 1 || number > 65535) report('LTN0117', path, { value: number, bound: '1 to 65535' }, 'key')
  if (protocol !== undefined) checkProtocol(protocol, [...path, 'protocol'], report)
  if (targetPort !== undefined) report('LTN0142', [...path, 'targetPort'], { field: 'targetPort', instead: 'defaultEndpoint' }, 'key')
}

/** `namespace/name`; the namespace may be `*`, `.`, `~` (nothing) or `~name` (all but these). */
function importProblem(text: string): string | undefined {
  const [namespace = '', host = '', ...rest] = text.split('/')
  if (host === '' || rest.length > 0) return "it must be 'namespace/name'"
  const bare = namespace.startsWith('~') ? namespace.slice(1) : namespace
  if (!(bare === '' ? namespace === '~' : bare === '*' || bare === '.' || isDnsLabel(bare))) return `'${namespace}' is not a namespace`
  if (host === '*') return undefined
  if (!host.includes('.')) return 'an import needs a full name, not a short one'
  if (host.includes('*') && !host.startsWith('*.')) return "a star may only stand for a whole first part ('*.example.com')"
  return host.startsWith('*.') ? wildcardDomainProblem(host) : fqdnProblem(host)
}
