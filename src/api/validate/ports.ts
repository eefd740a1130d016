// Protocols that a port of a Gateway, Sidecar or ServiceEntry may declare.
import type { FieldPath } from '../field-path.ts'
import type { Report } from '../report.ts'
import { didYouMean } from '../schema/check.ts'

const PROTOCOLS = ['HTTP', 'HTTPS', 'HTTP2', 'GRPC', 'GRPC-WEB', 'TLS', 'TCP', 'UDP', 'MONGO', 'REDIS', 'MYSQL', 'HTTP_PROXY']

/** Any case; empty where the schema lets it be empty. */
export function checkProtocol(protocol: string, path: FieldPath, report: Report): void {
  const value = protocol.toUpperCase()
  if (PROTOCOLS.includes(value)) return
  report('LTN0113', path, { value: protocol, suggestion: didYouMean(value, PROTOCOLS), allowed: PROTOCOLS.join(', ') })
}

export function isHttpProtocol(protocol: string): boolean {
  return ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB'].includes(protocol.toUpperCase())
}

export function isTlsProtocol(protocol: string): boolean {
  return ['HTTPS', 'TLS'].includes(protocol.toUpperCase())
}
