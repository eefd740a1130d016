// Cipher suites and curves by the names that Envoy knows. One that it does not know is dropped by Istio, and refused by Envoy.
import type { FieldPath } from '../field-path.ts'
import type { Report } from '../report.ts'
import { didYouMean } from '../schema/check.ts'

const SUITES: readonly string[] = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]
const CURVES: readonly string[] = ['P-224', 'P-256', 'P-384', 'P-521', 'X25519', 'X25519Kyber768Draft00', 'X25519MLKEM768']

/** Those that Envoy knows, each once: it refuses a listener for one that it does not. */
export function knownCipherSuites(names: readonly string[] = []): readonly string[] {
  return [...new Set(names)].filter((name) => SUITES.includes(name))
}

export function knownCurves(names: readonly string[] = []): readonly string[] {
  return [...new Set(names)].filter((name) => CURVES.includes(name))
}

interface TlsParameters {
  readonly cipherSuites?: readonly string[]
  readonly ecdhCurves?: readonly string[]
  readonly minProtocolVersion?: string
  readonly maxProtocolVersion?: string
}

const VERSIONS: readonly string[] = ['TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']

export function checkTlsParameters(tls: TlsParameters, path: FieldPath, report: Report): void {
  const { cipherSuites = [], ecdhCurves = [], minProtocolVersion, maxProtocolVersion } = tls
  checkNames(cipherSuites, SUITES, 'cipher suite', [...path, 'cipherSuites'], report)
  checkNames(ecdhCurves, CURVES, 'curve', [...path, 'ecdhCurves'], report)
  const [min, max] = [minProtocolVersion, maxProtocolVersion].map((version) => VERSIONS.indexOf(version ?? ''))
  if (min !== undefined && max !== undefined && min >= 0 && max >= 0 && min > max) {
    report('LTN0135', [...path, 'minProtocolVersion'], {
      first: `minProtocolVersion ${minProtocolVersion}`,
      second: `maxProtocolVersion ${maxProtocolVersion}`,
    })
  }
  if ((minProtocolVersion === 'TLSV1_0' || minProtocolVersion === 'TLSV1_1') && cipherSuites.length === 0) {
    const reason = 'every cipher suite that is on by default needs TLS 1.2'
    report('LTN0147', [...path, 'minProtocolVersion'], { field: `minProtocolVersion ${minProtocolVersion}`, reason })
  }
}

/** BoringSSL's own syntax ('ALL', or an operator in front) is passed through unread, as in Istio. */
function checkNames(names: readonly string[], known: readonly string[], what: string, path: FieldPath, report: Report): void {
  names.forEach((name, index) => {
    if (name === '' || name === 'ALL' || /^[-+![]/.test(name)) return
    if (names.indexOf(name) < index) report('LTN0147', [...path, index], { field: `'${name}'`, reason: `the ${what} is there already` })
    else if (!known.includes(name))
      report('LTN0147', [...path, index], { field: `'${name}'`, reason: `it is no ${what}${didYouMean(name, known)}` })
  })
}
