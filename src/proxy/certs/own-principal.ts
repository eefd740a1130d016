// The name in this workload's own certificate, for metrics. Asked when a new combination of labels is counted, not per request.
import { WORKLOAD_SECRET } from '../../envoy/names.ts'
import { readCertificate } from '../../identity/certificate.ts'
import type { SecretStore } from './secret-store.ts'

/** '' until there is a certificate. */
export function ownPrincipal(secrets: SecretStore): string {
  const pair = secrets.keyPair({ kind: 'secret', name: WORKLOAD_SECRET }).value
  if (pair === undefined) return ''
  const facts = readCertificate(pair.chainPem)
  return facts.ok ? (facts.value.uris[0] ?? '') : ''
}
