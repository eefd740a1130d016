// TLS towards clients at a gateway: which certificates go with which mode, and which protocols go with TLS at all.
import type { FieldPath } from '../field-path.ts'
import type { ServerTLSSettings } from '../generated/gateway.gen.ts'
import type { Report } from '../report.ts'
import { checkTlsParameters } from './cipher-suites.ts'
import { isHttpProtocol, isTlsProtocol } from './ports.ts'

export function checkServerTls(tls: ServerTLSSettings | undefined, protocol: string, path: FieldPath, report: Report): void {
  if (tls === undefined) {
    if (isTlsProtocol(protocol)) report('LTN0136', path, { what: `a server with protocol ${protocol}`, needed: 'tls' }, 'key')
    return
  }
  const at = [...path, 'tls']
  const { mode, httpsRedirect } = tls
  const redirectOnly = isHttpProtocol(protocol) && httpsRedirect === true && (mode === undefined || mode === 'PASSTHROUGH')
  if (!isTlsProtocol(protocol) && !redirectOnly) {
    report('LTN0135', at, { first: 'tls', second: `protocol ${protocol}` }, 'key')
    return
  }
  if (httpsRedirect === true && !isHttpProtocol(protocol)) {
    report('LTN0147', [...at, 'httpsRedirect'], { field: 'httpsRedirect', reason: `the server speaks ${protocol}, not HTTP` }, 'key')
  }
  checkTlsParameters(tls, at, report)
  checkPins(tls, at, report)
  if (isTlsProtocol(protocol)) checkCertificates(tls, at, report)
}

/** SHA-256 as Envoy reads it: of a certificate in hexadecimal digits, with or without colons; of a key in base64. */
export const CERTIFICATE_HASH = /^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){31})$/
export const KEY_HASH = /^[A-Za-z0-9+/]{43}=$/

/** One that is none keeps the server closed: without it, more clients would be let in than was meant. */
export function checkPins(
  { verifyCertificateHash = [], verifyCertificateSpki = [] }: ServerTLSSettings,
  path: FieldPath,
  report: Report,
): void {
  for (const [field, hashes, form, pattern] of [
    ['verifyCertificateHash', verifyCertificateHash, CERTIFICATE_HASH, '64 hexadecimal digits'],
    ['verifyCertificateSpki', verifyCertificateSpki, KEY_HASH, '32 bytes in base64'],
  ] as const) {
    hashes.forEach((value, index) => {
      if (!form.test(value)) report('LTN0118', [...path, field, index], { value, pattern })
    })
  }
}

const SOURCES = ['credentialName', 'credentialNames', 'tlsCertificates', 'serverCertificate'] as const

function checkCertificates(tls: ServerTLSSettings, path: FieldPath, report: Report): void {
  const { mode } = tls
  const [first, second] = SOURCES.filter((field) => isSet(tls[field]))
  if (second !== undefined && first !== undefined) report('LTN0135', [...path, second], { first: second, second: first }, 'key')
  if (mode === 'ISTIO_MUTUAL') {
    if (first !== undefined) report('LTN0135', [...path, first], { first, second: 'mode ISTIO_MUTUAL' }, 'key')
    return
  }
  if (mode === undefined || mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') {
    if (first !== undefined) report('LTN0147', [...path, first], { field: first, reason: 'TLS is passed on, not terminated' }, 'key')
    return
  }
  if (first === undefined)
    report('LTN0136', path, { what: `TLS mode ${mode}`, needed: 'credentialName (or serverCertificate and privateKey)' }, 'key')
  if (first === 'serverCertificate') checkFiles(tls, mode, path, report)
}

function checkFiles(tls: ServerTLSSettings, mode: string, path: FieldPath, report: Report): void {
  if (!isSet(tls.privateKey)) report('LTN0136', path, { what: 'serverCertificate', needed: 'privateKey' }, 'key')
  if (mode !== 'SIMPLE' && !isSet(tls.caCertificates) && !isSet(tls.caCertCredentialName)) {
    report('LTN0136', path, { what: `TLS mode ${mode}`, needed: 'caCertificates' }, 'key')
  }
  if (mode === 'SIMPLE' && isSet(tls.caCrl)) report('LTN0135', [...path, 'caCrl'], { first: 'caCrl', second: 'mode SIMPLE' }, 'key')
}

function isSet(value: string | readonly unknown[] | undefined): boolean {
  return value !== undefined && value.length > 0
}
