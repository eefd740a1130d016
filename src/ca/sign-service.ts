// istio.v1.auth.IstioCertificateService/CreateCertificate on gRPC: takes the call apart, asks sign-certificate.ts, answers.
// The composition root adds it to the server that also serves xDS and passes the codec, because ca does not import envoy.
// Invariant: an error names its reason to the caller; an unexpected failure names nothing of our inside.
import type { Result } from '../base/result.ts'
import type { RefusalKind } from './ca-metrics.ts'
import { type CertificateAuthority, signCertificate } from './sign-certificate.ts'

export interface CertificateRequest {
  readonly csr?: string | undefined
  readonly validityDuration?: number | undefined
}

export interface SignCodec {
  readonly path: string
  readonly decodeRequest: (bytes: Buffer) => Result<CertificateRequest>
  readonly encodeResponse: (response: { readonly certChain: readonly string[] }) => Buffer
}

/** gRPC's codes (statuscodes.md). */
const INVALID_ARGUMENT = 3
const INTERNAL = 13
const CODES: Readonly<Record<RefusalKind, number>> = {
  unauthenticated: 16,
  'rate-limited': 8,
  'malformed-request': INVALID_ARGUMENT,
  'identity-mismatch': 7,
  // What every client tries again.
  unavailable: 14,
  internal: INTERNAL,
}

/** What is known of the caller, from the connection and the call's headers. */
export interface SignCaller {
  readonly from: string
  /** Undefined unless TLS verified it against our roots. */
  readonly peerCertificate: Buffer | undefined
  readonly peerChain?: readonly Buffer[]
  readonly authorization: string | undefined
}

export type SignAnswer =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: number; readonly details: string }

export type SignHandler = (request: Buffer, caller: SignCaller) => Promise<SignAnswer>

/** By path, as the gRPC server takes it. */
export function signService(ca: CertificateAuthority, codec: SignCodec): { readonly unary: Readonly<Record<string, SignHandler>> } {
  const createCertificate: SignHandler = async (bytes, caller) => {
    const request = codec.decodeRequest(bytes)
    const { csr = '', validityDuration = 0 } = request.ok ? request.value : {}
    const outcome = await signCertificate(ca, { ...caller, csrPem: request.ok ? csr : undefined, validitySeconds: validityDuration })
    if (outcome.issued) return { ok: true, bytes: codec.encodeResponse({ certChain: outcome.chain }) }
    return { ok: false, code: CODES[outcome.kind], details: outcome.reason }
  }
  return { unary: { [codec.path]: createCertificate } }
}
