// The gRPC server of the control plane: TLS, with a client certificate asked for but not demanded (a workload that joins has none yet);
// each service decides per call whether it needs one. Own certificate and roots change without a restart.
// Invariant: `call.getAuthContext().sslPeerCertificate` is there only when TLS verified it against the roots.
import { experimental, Server, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { errorMessage, LateenError } from '../../base/errors.ts'
import type { ReadonlyWatchable } from '../../base/watchable.ts'

export interface ServerCertificate {
  /** PEM, leaf first. */
  readonly chainPem: string
  readonly keyPem: string
}

export interface GrpcService {
  readonly definition: ServiceDefinition
  readonly implementation: UntypedServiceImplementation
}

export interface GrpcServerOptions {
  readonly host: string
  /** 0: a free one. */
  readonly port: number
  readonly certificate: ReadonlyWatchable<ServerCertificate>
  readonly rootsPem: ReadonlyWatchable<string>
  readonly services: readonly GrpcService[]
  /** After this, a connection is asked to come again, so that load spreads and certificates are looked at anew. */
  readonly maxConnectionAgeMs?: number
}

export interface GrpcServer {
  readonly port: number
  /** Ends calls at once and frees the port. */
  close(): void
}

const KEEPALIVE = {
  // Istio's: a peer that is silently gone is noticed within 40 s.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
}
const MAX_REQUEST_BYTES = 8 * 1024 * 1024

export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    ...KEEPALIVE,
    'grpc.max_receive_message_length': MAX_REQUEST_BYTES,
    ...(options.maxConnectionAgeMs === undefined
      ? {}
      : { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs, 'grpc.max_connection_age_grace_ms': 10_000 }),
  })
  for (const { definition, implementation } of options.services) server.addService(definition, implementation)
  const provider = certificateProvider(options.certificate, options.rootsPem)
  // One provider for both: grpc-js' types and code disagree on which argument is which.
  const credentials = experimental.createCertificateProviderServerCredentials(provider, provider, false)
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(authority(options.host, options.port), credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(bindError(options, error)),
    )
  })
  return { port, close: () => server.forceShutdown() }
}

function authority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function bindError({ host, port }: GrpcServerOptions, cause: Error): LateenError {
  return new LateenError(
    'LISTEN_FAILED',
    `cannot listen on ${authority(host, port)} for xDS: ${errorMessage(cause)}; choose another address with --listen`,
    { cause },
  )
}

function certificateProvider(
  certificate: ReadonlyWatchable<ServerCertificate>,
  rootsPem: ReadonlyWatchable<string>,
): experimental.CertificateProvider {
  const stops = new Map<unknown, () => void>()
  // grpc-js adds its listeners before it listens to what they bring: a value given at once would be lost.
  const soon = queueMicrotask
  return {
    addIdentityCertificateListener(listener) {
      const tell = ({ chainPem, keyPem }: ServerCertificate): void =>
        listener({ certificate: Buffer.from(chainPem), privateKey: Buffer.from(keyPem) })
      stops.set(listener, certificate.watch(tell))
      soon(() => tell(certificate.value))
    },
    removeIdentityCertificateListener: (listener) => stops.get(listener)?.(),
    addCaCertificateListener(listener) {
      const tell = (pem: string): void => listener({ caCertificate: Buffer.from(pem) })
      stops.set(listener, rootsPem.watch(tell))
      soon(() => tell(rootsPem.value))
    },
    removeCaCertificateListener: (listener) => stops.get(listener)?.(),
  }
}
