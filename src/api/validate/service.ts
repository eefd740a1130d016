// What the schema cannot say of a Service, as far as the mesh is concerned. The API server checks the rest.
import type { Service } from '../generated/service.gen.ts'
import type { Report } from '../report.ts'
import { checkLabels } from './matches.ts'

/** What a port's name may begin with to say its protocol (the text before the first dash). */
const PROTOCOLS = ['tcp', 'udp', 'grpc', 'http', 'http_proxy', 'http2', 'https', 'tls', 'mongo', 'redis', 'mysql']

export function saysProtocol(portName: string): boolean {
  return PROTOCOLS.includes(portName.split('-')[0] ?? '')
}

export function checkService({ spec }: Service, report: Report): void {
  const ports = spec.ports ?? []
  checkLabels(spec.selector, ['spec', 'selector'], report)
  if (spec.type === 'ExternalName') {
    if ((spec.externalName ?? '') === '') report('LTN0136', ['spec'], { what: 'an ExternalName service', needed: 'externalName' }, 'key')
  } else if (ports.length === 0 && spec.clusterIP !== 'None') {
    report('LTN0136', ['spec'], { what: 'a service', needed: 'ports' }, 'key')
  }
  const names = new Map<string, number>()
  ports.forEach(({ name = '', port, protocol, appProtocol }, index) => {
    const at = ['spec', 'ports', index]
    if (name === '' && ports.length > 1) report('LTN0136', at, { what: 'a port of a service with several ports', needed: 'name' }, 'key')
    const first = names.get(name)
    if (name !== '' && first !== undefined) report('LTN0120', [...at, 'name'], { value: name, first: `[${first}]` })
    names.set(name, index)
    if (protocol === 'UDP' || appProtocol !== undefined || saysProtocol(name)) return
    report('LTN0148', [...at, 'name'], { name, port })
  })
}
