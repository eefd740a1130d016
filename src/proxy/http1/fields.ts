// The fields that a proxy must know: framing, hop-by-hop, identity and Envoy's own. Everything else is 'ordinary' and travels as the
// bytes it came as. Recognised by length, then by comparing: an ordinary field costs one table look-up.
// Invariant: a kind stands for exactly one name, except 'envoy', which is every other x-envoy-*.
import { equalsIgnoreCase } from './characters.ts'

export const FIELD = {
  ordinary: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  upgrade: 7,
  te: 8,
  trailer: 9,
  expect: 10,
  date: 11,
  server: 12,
  requestId: 13,
  forwardedFor: 14,
  forwardedProto: 15,
  clientCert: 16,
  peerMetadata: 17,
  peerMetadataId: 18,
  http2Settings: 19,
  serviceTime: 20,
  originalPath: 21,
  attemptCount: 22,
  expectedTimeout: 23,
  via: 24,
  envoy: 25,
} as const

export const FIELD_KINDS = 26

export type FieldKind = (typeof FIELD)[keyof typeof FIELD]

const NAMES: readonly (readonly [string, FieldKind])[] = [
  ['host', FIELD.host],
  ['content-length', FIELD.contentLength],
  ['transfer-encoding', FIELD.transferEncoding],
  ['connection', FIELD.connection],
  ['keep-alive', FIELD.keepAlive],
  ['proxy-connection', FIELD.proxyConnection],
  ['upgrade', FIELD.upgrade],
  ['te', FIELD.te],
  ['trailer', FIELD.trailer],
  ['expect', FIELD.expect],
  ['date', FIELD.date],
  ['server', FIELD.server],
  ['via', FIELD.via],
  ['x-request-id', FIELD.requestId],
  ['x-forwarded-for', FIELD.forwardedFor],
  ['x-forwarded-proto', FIELD.forwardedProto],
  ['x-forwarded-client-cert', FIELD.clientCert],
  ['http2-settings', FIELD.http2Settings],
  ['x-envoy-peer-metadata', FIELD.peerMetadata],
  ['x-envoy-peer-metadata-id', FIELD.peerMetadataId],
  ['x-envoy-upstream-service-time', FIELD.serviceTime],
  ['x-envoy-original-path', FIELD.originalPath],
  ['x-envoy-attempt-count', FIELD.attemptCount],
  ['x-envoy-expected-rq-timeout-ms', FIELD.expectedTimeout],
]

interface Candidate {
  readonly lower: string
  readonly first: number
  readonly kind: FieldKind
}

const LONGEST = 32
const BY_LENGTH: readonly (readonly Candidate[])[] = Array.from({ length: LONGEST + 1 }, (_, length) =>
  NAMES.filter(([name]) => name.length === length).map(([lower, kind]) => ({ lower, first: lower.charCodeAt(0), kind })),
)
const NONE: readonly Candidate[] = []
const X = 0x78

/** The kind of the field whose name is text[start, end). */
export function fieldKind(text: string, start: number, end: number): FieldKind {
  const first = text.charCodeAt(start) | 0x20
  for (const candidate of BY_LENGTH[end - start] ?? NONE) {
    if (candidate.first === first && equalsIgnoreCase(text, start, candidate.lower)) return candidate.kind
  }
  return first === X && end - start > 8 && equalsIgnoreCase(text, start, 'x-envoy-') ? FIELD.envoy : FIELD.ordinary
}
