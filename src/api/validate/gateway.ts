// What the schema cannot say of a Gateway.
import { isIP } from 'node:net'
import type { FieldPath } from '../field-path.ts'
import type { Gateway, Server } from '../generated/gateway.gen.ts'
import { isDnsLabel } from '../metadata.ts'
import type { Report } from '../report.ts'
import { fqdnProblem, isIpAddress, wildcardDomainProblem } from './hosts.ts'
import { checkLabels } from './matches.ts'
import { checkProtocol } from './ports.ts'
import { checkServerTls } from './server-tls.ts'

export function checkGateway({ spec }: Gateway, report: Report): void {
  const servers = spec.servers ?? []
  checkLabels(spec.selector, ['spec', 'selector'], report)
  if (servers.length === 0) report('LTN0136', ['spec'], { what: 'a gateway', needed: 'servers' }, 'key')
  const portNames = new Map<string, number>()
  const names = new Map<string, number>()
  servers.forEach((server, index) => {
    const at = ['spec', 'servers', index]
    checkServer(server, at, report)
    checkUnique(server.port.name, index, portNames, [...at, 'port', 'name'], report)
    if (server.name !== undefined && server.name !== '') checkUnique(server.name, index, names, [...at, 'name'], report)
  })
}

function checkUnique(name: string, index: number, seen: Map<string, number>, path: FieldPath, report: Report): void {
  const first = seen.get(name)
  if (first === undefined) seen.set(name, index)
  else report('LTN0120', path, { value: name, first: `[${first}]` })
}

function checkServer({ port, bind, hosts, tls }: Server, path: FieldPath, report: Report): void {
  const isSocket = bind?.startsWith('unix://') === true
  if (isSocket ? port.number !== 0 : port.number < 1 || port.number > 65535) {
    report('LTN0117', [...path, 'port', 'number'], { value: port.number, bound: isSocket ? '0 with a unix socket' : '1 to 65535' })
  }
  if (port.name === '') report('LTN0136', [...path, 'port'], { what: 'a port', needed: 'name' }, 'key')
  if (port.targetPort !== undefined)
    report('LTN0142', [...path, 'port', 'targetPort'], { field: 'targetPort', instead: "the gateway Service's targetPort" }, 'key')
  checkProtocol(port.protocol, [...path, 'port', 'protocol'], report)
  if (bind !== undefined && bind !== '' && !isSocket && isIP(bind) === 0)
    report('LTN0139', [...path, 'bind'], { value: bind, expected: 'an address or a unix:// path' })
  if (hosts.length === 0) report('LTN0136', [...path, 'hosts'], { what: 'a server', needed: 'hosts' }, 'key')
  hosts.forEach((host, index) => {
    const problem = gatewayHostProblem(host)
    if (problem !== undefined) report('LTN0130', [...path, 'hosts', index], { value: host, problem })
  })
  checkServerTls(tls, port.protocol, path, report)
}

/** `*`, a name with a dot, `*.suffix` or an IP, each with `namespace/` before it if wanted. */
function gatewayHostProblem(text: string): string | undefined {
  const parts = text.split('/')
  const [namespace = '', host = text] = parts.length === 1 ? [undefined, text] : parts
  if (parts.length > 2) return "it has more than one '/'"
  if (parts.length === 2 && !(namespace === '*' || namespace === '.' || isDnsLabel(namespace))) return `'${namespace}' is not a namespace`
  if (host === '*' || isIpAddress(host)) return undefined
  if (!host.startsWith('*.') && host.includes('*')) return "a star may only stand for a whole first part ('*.example.com')"
  if (!host.includes('.')) return 'a gateway needs a full name, not a short one'
  return host.startsWith('*.') ? wildcardDomainProblem(host) : fqdnProblem(host)
}
