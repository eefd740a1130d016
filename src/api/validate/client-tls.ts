// TLS towards a destination: which certificates go with which mode.
import type { FieldPath } from '../field-path.ts'
import type { ClientTLSSettings } from '../generated/destination-rule.gen.ts'
import type { Report } from '../report.ts'

const FILES = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const

export function checkClientTls(tls: ClientTLSSettings, path: FieldPath, report: Report): void {
  const { mode, credentialName = '' } = tls
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return
  if (mode === 'MUTUAL' && credentialName === '') {
    for (const field of ['clientCertificate', 'privateKey'] as const) {
      if (!isSet(tls, field)) report('LTN0136', path, { what: 'TLS mode MUTUAL', needed: `${field} (or credentialName)` }, 'key')
    }
  }
  if (credentialName === '' && !isSet(tls, 'caCertificates') && tls.insecureSkipVerify !== true) {
    report('LTN0149', path, { mode }, 'key')
  }
  if (credentialName !== '') refuseBeside(tls, FILES, 'credentialName', path, report)
  if (tls.insecureSkipVerify !== true) return
  refuseBeside(tls, ['caCertificates', 'subjectAltNames'], 'insecureSkipVerify', path, report)
  if (mode === 'SIMPLE') refuseBeside(tls, ['credentialName'], 'insecureSkipVerify', path, report)
}

function refuseBeside(
  tls: ClientTLSSettings,
  fields: readonly (keyof ClientTLSSettings)[],
  second: string,
  path: FieldPath,
  report: Report,
): void {
  for (const field of fields) if (isSet(tls, field)) report('LTN0135', [...path, field], { first: field, second }, 'key')
}

function isSet(tls: ClientTLSSettings, field: keyof ClientTLSSettings): boolean {
  const value = tls[field]
  return value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0)
}
