// A delta-ADS and certificate client on grpc-js, for tests of the control plane: independent of our proxy's own client.
// Everything it is sent is kept, and awaited by condition; nothing here sleeps.
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { fullCodec } from '../../../src/envoy/full-codec.ts'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '../../../src/envoy/generated/messages.gen.ts'
import { CREATE_CERTIFICATE_PATH, DELTA_ADS_PATH, resourceTypeNames } from '../../../src/envoy/type-urls.ts'
import { buildCsr } from '../../../src/identity/csr.ts'
import { parseSpiffeId } from '../../../src/identity/spiffe-id.ts'

export interface ClientIdentity {
  readonly keyPem: string
  readonly chainPem: string
}

export interface Refused {
  readonly code: number
  readonly details: string
}

function connect(port: number, rootPem: string, identity?: ClientIdentity): Client {
  const [key, chain] = identity === undefined ? [null, null] : [Buffer.from(identity.keyPem), Buffer.from(identity.chainPem)]
  return new Client(`127.0.0.1:${port}`, credentials.createSsl(Buffer.from(rootPem), key, chain), {
    'grpc.ssl_target_name_override': 'istiod.istio-system.svc',
    // One connection per client, or clients of one test would share identities.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': -1,
    // Tests count on a refused call being an answer, not a reason to try again.
    'grpc.enable_retries': 0,
  })
}

export function csrFor(id: string, key: KeyObject): string {
  const parsed = parseSpiffeId(id)
  assert.ok(parsed.ok)
  return buildCsr(parsed.value, key)
}

/** Asks for a certificate; resolves with it or with the refusal. */
export async function requestCertificate(
  port: number,
  rootPem: string,
  id: string,
  how: { readonly token?: string; readonly identity?: ClientIdentity; readonly csr?: string },
): Promise<ClientIdentity | Refused> {
  const client = connect(port, rootPem, how.identity)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const metadata = new Metadata()
  if (how.token !== undefined) metadata.set('authorization', `Bearer ${how.token}`)
  const request = fullCodec.encode('istio.v1.auth.IstioCertificateRequest', {
    csr: how.csr ?? csrFor(id, privateKey),
    validityDuration: 86_400,
  })
  try {
    return await new Promise((resolve) => {
      const same = (bytes: Buffer): Buffer => bytes
      client.makeUnaryRequest(CREATE_CERTIFICATE_PATH, same, same, request, metadata, {}, (error: ServiceError | null, bytes?: Buffer) => {
        if (error !== null) return resolve({ code: error.code, details: error.details })
        const answer = fullCodec.decode('istio.v1.auth.IstioCertificateResponse', bytes ?? Buffer.alloc(0))
        assert.ok(answer.ok)
        resolve({ keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })), chainPem: (answer.value.certChain ?? []).join('') })
      })
    })
  } finally {
    client.close()
  }
}

export class AdsClient {
  /** By short type name (CDS...) -> name -> version and content: what this client holds. */
  readonly held = new Map<string, Map<string, { readonly version: string; readonly bytes: Uint8Array }>>()
  readonly responses: DeltaDiscoveryResponse[] = []
  ended: Refused | undefined
  /** Given a response, the reason to refuse it, or undefined to accept. */
  judge: (response: DeltaDiscoveryResponse) => string | undefined = () => undefined
  readonly #client: Client
  readonly #stream: ClientDuplexStream<Buffer, Buffer>
  readonly #nodeId: string
  readonly #metadata: Readonly<Record<string, string>>
  #first = true
  #waiting: (() => void)[] = []

  constructor(
    port: number,
    rootPem: string,
    identity: ClientIdentity | undefined,
    nodeId: string,
    metadata: Readonly<Record<string, string>> = {},
  ) {
    this.#client = connect(port, rootPem, identity)
    this.#nodeId = nodeId
    this.#metadata = metadata
    const same = (bytes: Buffer): Buffer => bytes
    this.#stream = this.#client.makeBidiStreamRequest(DELTA_ADS_PATH, same, same)
    this.#stream.on('data', (bytes: Buffer) => this.#receive(bytes))
    this.#stream.on('error', (error: Error & Partial<Refused>) => {
      this.ended = { code: error.code ?? -1, details: error.details ?? error.message }
      this.#wake()
    })
  }

  subscribe(typeUrl: string, names: readonly string[] = [], initialResourceVersions: Readonly<Record<string, string>> = {}): void {
    this.#send({ typeUrl, resourceNamesSubscribe: names, initialResourceVersions })
  }

  versions(type: string): Readonly<Record<string, string>> {
    return Object.fromEntries([...(this.held.get(type) ?? [])].map(([name, { version }]) => [name, version]))
  }

  responsesOf(type: string): readonly DeltaDiscoveryResponse[] {
    return this.responses.filter(({ typeUrl }) => resourceTypeNames[typeUrl ?? ''] === type)
  }

  /** Stops reading and answering, as a proxy does whose process hangs. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Resolves when the condition holds; looked at after every message. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.ended !== undefined) assert.fail(`the stream ended: ${this.ended.code} ${this.ended.details}`)
      await this.#nextEvent()
    }
  }

  async untilEnded(): Promise<Refused> {
    for (;;) {
      if (this.ended !== undefined) return this.ended
      await this.#nextEvent()
    }
  }

  close(): void {
    this.#stream.cancel()
    this.#client.close()
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }

  #send(request: DeltaDiscoveryRequest): void {
    const node = this.#first ? { node: { id: this.#nodeId, metadata: this.#metadata } } : {}
    this.#first = false
    this.#stream.write(fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { ...node, ...request }))
  }

  #receive(bytes: Buffer): void {
    const read = fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', bytes, { keepAny: true })
    assert.ok(read.ok)
    const response = read.value
    this.responses.push(response)
    const refusal = this.judge(response)
    if (refusal === undefined) this.#apply(response)
    this.#send({
      typeUrl: response.typeUrl,
      responseNonce: response.nonce,
      ...(refusal === undefined ? {} : { errorDetail: { code: 13, message: refusal } }),
    })
    this.#wake()
  }

  #apply(response: DeltaDiscoveryResponse): void {
    const type = resourceTypeNames[response.typeUrl ?? ''] ?? response.typeUrl ?? ''
    const held = this.held.get(type) ?? new Map()
    this.held.set(type, held)
    for (const { name, version, resource } of response.resources ?? []) {
      held.set(name ?? '', { version: version ?? '', bytes: resource?.value instanceof Uint8Array ? resource.value : Buffer.alloc(0) })
    }
    for (const name of response.removedResources ?? []) held.delete(name)
  }
}
