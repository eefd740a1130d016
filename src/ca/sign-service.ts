// istio.v1.auth.IstioCertificateService/CreateCertificate on gRPC: takes the call apart, asks sign-certificate.ts, answers.
// The composition root adds it to the server that also serves xDS and passes the codec, because ca does not import envoy.
// Invariant: an error names its reason to the caller; an unexpected failure names nothing of our inside.
import {
  type handleUnaryCall,
  type ServerErrorResponse,
  type ServiceDefinition,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { errorMessage } from '../base/errors.ts'
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

const CODES: Readonly<Record<RefusalKind, number>> = {
  unauthenticated: status.UNAUTHENTICATED,
  'malformed-request': status.INVALID_ARGUMENT,
  'identity-mismatch': status.PERMISSION_DENIED,
}

export function signService(
  ca: CertificateAuthority,
  codec: SignCodec,
): { readonly definition: ServiceDefinition; readonly implementation: UntypedServiceImplementation } {
  const createCertificate: handleUnaryCall<Result<CertificateRequest>, Buffer> = (call, callback) => {
    const { request } = call
    if (!request.ok) return callback(failure(status.INVALID_ARGUMENT, 'the message is not an IstioCertificateRequest'))
    try {
      const outcome = signCertificate(ca, {
        csrPem: request.value.csr ?? '',
        validitySeconds: request.value.validityDuration ?? 0,
        // Undefined unless TLS verified it against our roots.
        peerCertificate: call.getAuthContext().sslPeerCertificate?.raw,
        authorization: call.metadata.get('authorization')[0]?.toString(),
        from: call.getPeer(),
      })
      if (outcome.issued) callback(null, codec.encodeResponse({ certChain: outcome.chain }))
      else callback(failure(CODES[outcome.kind], outcome.reason))
    } catch (error) {
      ca.log.error('certificate request failed', { reason: errorMessage(error), from: call.getPeer() })
      callback(failure(status.INTERNAL, 'the certificate authority failed; its log says why'))
    }
  }
  const definition: ServiceDefinition = {
    createCertificate: {
      path: codec.path,
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: codec.decodeRequest,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  }
  return { definition, implementation: { createCertificate } }
}

function failure(code: number, details: string): Partial<ServerErrorResponse> & { readonly code: number; readonly details: string } {
  return Object.assign(new Error(details), { code, details })
}
