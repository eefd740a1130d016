// /certs in Envoy's shape (envoy.admin.v3.Certificates): who this workload is, who it trusts, and until when.
import { X509Certificate } from 'node:crypto'
import type { CertificateEntry } from './admin-state.ts'

const DAY_MS = 86_400_000

export function certificates(entries: readonly CertificateEntry[], nowMs: number): { readonly certificates: readonly unknown[] } {
  return {
    certificates: entries.map(({ name, chainPem, rootsPem }) => ({
      ...(rootsPem !== undefined && { ca_cert: splitPem(rootsPem).map((pem) => details(pem, name, nowMs)) }),
      ...(chainPem !== undefined && { cert_chain: splitPem(chainPem).map((pem) => details(pem, name, nowMs)) }),
    })),
  }
}

function splitPem(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
}

function details(pem: string, name: string, nowMs: number): Record<string, unknown> {
  const certificate = new X509Certificate(pem)
  const expiresAtMs = certificate.validToDate.getTime()
  return {
    path: name,
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: alternativeNames(certificate.subjectAltName ?? ''),
    // Envoy: whole days, 0 once expired.
    days_until_expiration: String(Math.max(0, Math.floor((expiresAtMs - nowMs) / DAY_MS))),
    valid_from: certificate.validFromDate.toISOString().replace('.000', ''),
    expiration_time: certificate.validToDate.toISOString().replace('.000', ''),
  }
}

/** Node prints `URI:spiffe://a, DNS:b`; values with a comma come quoted as JSON. */
function alternativeNames(text: string): readonly Record<string, string>[] {
  return [...text.matchAll(/(URI|DNS|IP Address|email):("(?:[^"\\]|\\.)*"|[^,]*)/g)].map(([, kind = '', value = '']) => {
    const plain = value.startsWith('"') ? String(JSON.parse(value)) : value
    return { [FIELD[kind] ?? 'dns']: plain }
  })
}

const FIELD: Readonly<Record<string, string>> = { URI: 'uri', DNS: 'dns', 'IP Address': 'ip_address', email: 'email' }
