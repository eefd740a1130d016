// Asks the CA for a certificate: one unary call of Istio's certificate service over our gRPC client. Used by certificate-manager.ts.
// Authenticates by a join token the first time and by the current certificate afterwards; the server always by the mesh's roots.
// One connection per call: calls are hours apart, and each must see the credentials of its moment.
import type { Clock } from '../../base/clock.ts'
import type { Redacted } from '../../base/redacted.ts'
import { fail, formatProblems, type Result, succeed } from '../../base/result.ts'
import type { Codec } from '../../envoy/codec/codec.ts'
import { CREATE_CERTIFICATE_PATH } from '../../envoy/type-urls.ts'
import { GrpcChannel } from '../grpc/channel.ts'
import { formatStatus } from '../grpc/status.ts'
import { peerNameCheck, peerNameOf } from './peer-name.ts'
import type { KeyPair } from './secret-store.ts'

/** By what the caller proves who it is. */
export type CallerProof =
  | { readonly kind: 'token'; readonly token: Redacted<string> }
  | { readonly kind: 'certificate'; readonly pair: KeyPair }

export interface CaClient {
  /** PEM certificates, leaf first, root last. */
  sign(csrPem: string, proof: CallerProof, rootsPem: string): Promise<Result<readonly string[]>>
}

export interface GrpcCaClientOptions {
  readonly host: string
  readonly port: number
  /** Name that the CA's certificate must carry (DNS or URI); undefined: the host. */
  readonly serverName: string | undefined
  readonly lifetimeMs: number
  readonly codec: Codec
  readonly clock: Clock
}

const CALL_TIMEOUT_MS = 10_000
const MAX_ANSWER_BYTES = 1024 * 1024

export function grpcCaClient(options: GrpcCaClientOptions): CaClient {
  return {
    async sign(csrPem, proof, rootsPem) {
      const pair = proof.kind === 'certificate' ? proof.pair : undefined
      const channel = new GrpcChannel({
        host: options.host,
        port: options.port,
        clock: options.clock,
        credentials: () => ({
          rootsPem,
          chainPem: pair?.chainPem,
          keyPem: pair?.keyPem,
          serverName: peerNameOf(options.serverName),
          verifyPeer: options.serverName === undefined ? undefined : peerNameCheck(options.serverName),
        }),
        connectTimeoutMs: CALL_TIMEOUT_MS,
        maxMessageBytes: MAX_ANSWER_BYTES,
      })
      try {
        const metadata = proof.kind === 'token' ? ['authorization', `Bearer ${proof.token.reveal()}`] : []
        const request = { csr: csrPem, validityDuration: Math.round(options.lifetimeMs / 1000) }
        const bytes = options.codec.encode('istio.v1.auth.IstioCertificateRequest', request)
        const answer = await channel.unary({ path: CREATE_CERTIFICATE_PATH, metadata, deadlineMs: CALL_TIMEOUT_MS }, bytes)
        if (!answer.ok) return fail('', formatStatus(answer.status))
        const decoded = options.codec.decode('istio.v1.auth.IstioCertificateResponse', answer.message)
        if (!decoded.ok) return fail('', `the CA's answer cannot be read: ${formatProblems(decoded.problems)}`)
        return succeed(decoded.value.certChain ?? [])
      } finally {
        channel.close()
      }
    },
  }
}
