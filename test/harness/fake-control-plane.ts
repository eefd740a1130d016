// A control plane that a test drives by hand: it records what a proxy asks over delta ADS and sends what the test says. On grpc-js, so
// that our client meets another implementation. Stops and comes back on the same port.
import {
  experimental,
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import type { MessageName } from '../../src/envoy/any.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import type {
  AnyMessage,
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  IstioCertificateRequest,
  IstioCertificateResponse,
  MessageTypes,
} from '../../src/envoy/generated/messages.gen.ts'
import { CREATE_CERTIFICATE_PATH, DELTA_ADS_PATH } from '../../src/envoy/type-urls.ts'

type AdsStream = ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>

/** Answers a certificate request, or throws { code, details } as grpc-js wants it. */
export type SignCertificate = (
  request: IstioCertificateRequest,
  caller: { readonly authorization: string | undefined; readonly peerDer: Buffer | undefined },
) => IstioCertificateResponse

export interface FakeControlPlaneOptions {
  readonly credentials?: ServerCredentials
  readonly sign?: SignCertificate
}

/** TLS that asks for a client certificate and does not demand one: whoever joins has none yet. */
export function joinableTls(server: { readonly chainPem: string; readonly keyPem: string }, rootsPem: string): ServerCredentials {
  const provider: experimental.CertificateProvider = {
    // Later, not at once: grpc-js adds its own watcher only after this returns.
    addCaCertificateListener: (listener) => queueMicrotask(() => listener({ caCertificate: Buffer.from(rootsPem) })),
    removeCaCertificateListener: () => undefined,
    addIdentityCertificateListener: (listener) =>
      queueMicrotask(() => listener({ certificate: Buffer.from(server.chainPem), privateKey: Buffer.from(server.keyPem) })),
    removeIdentityCertificateListener: () => undefined,
  }
  return experimental.createCertificateProviderServerCredentials(provider, provider, false)
}

export class FakeControlPlane {
  readonly #options: FakeControlPlaneOptions
  readonly #requests: DeltaDiscoveryRequest[] = []
  readonly #waiting: ((request: DeltaDiscoveryRequest) => void)[] = []
  #server: Server | undefined
  #stream: AdsStream | undefined
  #port = 0
  #nonce = 0

  constructor(options: FakeControlPlaneOptions = {}) {
    this.#options = options
  }

  get port(): number {
    return this.#port
  }

  async start(): Promise<void> {
    const server = new Server()
    server.addService(services, { ads: this.#onStream, sign: this.#onSign })
    const credentials = this.#options.credentials ?? ServerCredentials.createInsecure()
    this.#port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.#port}`, credentials, (error, port) => (error === null ? resolve(port) : reject(error))),
    )
    this.#server = server
  }

  /** Cuts every stream; `start` comes back on the same port. */
  stop(): void {
    this.#server?.forceShutdown()
    this.#server = undefined
    this.#stream = undefined
  }

  /** The next request that nobody has taken yet, in order of arrival. */
  request(): Promise<DeltaDiscoveryRequest> {
    const early = this.#requests.shift()
    if (early !== undefined) return Promise.resolve(early)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Takes requests until one is of this type; the others are dropped. */
  async requestOf(typeUrl: string): Promise<DeltaDiscoveryRequest> {
    for (;;) {
      const request = await this.request()
      if (request.typeUrl === typeUrl) return request
    }
  }

  /** Sends resources: name -> version and message. Returns the nonce. */
  send<K extends MessageName>(
    name: K,
    resources: Readonly<Record<string, readonly [version: string, message: MessageTypes[K]]>>,
    removed: readonly string[] = [],
  ): string {
    const typeUrl = `type.googleapis.com/${name}`
    const nonce = `nonce-${++this.#nonce}`
    this.#stream?.write({
      typeUrl,
      nonce,
      systemVersionInfo: nonce,
      removedResources: removed,
      resources: Object.entries(resources).map(([resource, [version, message]]) => ({
        name: resource,
        version,
        // The type parameter ties the message to its name.
        resource: { '@type': typeUrl, ...(message as Record<string, unknown>) } as AnyMessage,
      })),
    })
    return nonce
  }

  readonly #onStream: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (stream) => {
    this.#stream = stream
    stream.on('error', () => undefined)
    stream.on('data', (request: DeltaDiscoveryRequest) => {
      const waiting = this.#waiting.shift()
      if (waiting === undefined) this.#requests.push(request)
      else waiting(request)
    })
  }

  readonly #onSign: handleUnaryCall<IstioCertificateRequest, IstioCertificateResponse> = (call, callback) => {
    try {
      const authorization = call.metadata.get('authorization')[0]?.toString()
      const answer = this.#options.sign?.(call.request, { authorization, peerDer: call.getAuthContext().sslPeerCertificate?.raw })
      callback(null, answer ?? {})
    } catch (error) {
      // Thrown by the test as a status.
      callback(error as { code: number; details: string })
    }
  }
}

function method<Q extends MessageName, A extends MessageName>(
  path: string,
  streams: boolean,
  request: Q,
  response: A,
): ServiceDefinition[string] {
  return {
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message: MessageTypes[Q]) => fullCodec.encode(request, message),
    requestDeserialize: (bytes: Buffer) => decoded(request, bytes),
    responseSerialize: (message: MessageTypes[A]) => fullCodec.encode(response, message),
    responseDeserialize: (bytes: Buffer) => decoded(response, bytes),
  }
}

function decoded(name: MessageName, bytes: Buffer): unknown {
  const result = fullCodec.decode(name, bytes)
  if (!result.ok) throw new Error(`${name}: ${result.problems[0]?.message}`)
  return result.value
}

const DELTA = 'envoy.service.discovery.v3.DeltaDiscovery'
const services: ServiceDefinition = {
  ads: method(DELTA_ADS_PATH, true, `${DELTA}Request`, `${DELTA}Response`),
  sign: method(CREATE_CERTIFICATE_PATH, false, 'istio.v1.auth.IstioCertificateRequest', 'istio.v1.auth.IstioCertificateResponse'),
}
