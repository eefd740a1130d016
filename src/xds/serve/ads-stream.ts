// One ADS stream: the shell between gRPC and a ClientSession. Reads requests, checks once who calls, hands each message to the stream
// and tells the server when the client can take more. Made by ads-server.ts.
// Invariant: nothing is asked of the generator, and nothing is put on the stream, while the client has not taken what was sent.
import type { Result } from '../../base/result.ts'
import type { DiscoveryRequest, Node } from '../../envoy/generated/messages.gen.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import { type ProxyNode, parseProxyNode } from '../view/proxy-node.ts'
import { Acknowledged } from './acknowledged.ts'
import type { ClientSession, OutgoingMessage } from './client-session.ts'
import { type GrpcCall, grpcStatus } from './grpc-call.ts'
import type { DeltaRequest } from './read-request.ts'

export type Request = DeltaRequest & DiscoveryRequest

/** What a stream asks of its server. */
export interface StreamOwner {
  /** Who the caller is, if he may be served as this node. */
  admit(call: GrpcCall, node: ProxyNode): Result<SpiffeId>
  /** The stream is of this node from now on. */
  admitted(stream: AdsStream, node: ProxyNode): void
  /** The client may be able to take something: look at it when its turn comes. */
  ready(stream: AdsStream): void
  refused(stream: AdsStream, reason: string): void
  rejected(stream: AdsStream, typeUrl: string, message: string): void
  sent(stream: AdsStream, typeUrl: string, bytes: number): void
  closed(stream: AdsStream): void
}

export interface Admitted {
  readonly node: ProxyNode
  readonly identity: SpiffeId
}

export class AdsStream {
  readonly session: ClientSession
  readonly from: string
  readonly connectedSinceMs: number
  readonly acknowledged: Acknowledged
  /** Undefined until the first request named a node that the caller may be. */
  admitted: Admitted | undefined
  readonly #call: GrpcCall
  readonly #owner: StreamOwner
  #flushed: (() => void) | undefined
  #open = true

  constructor(call: GrpcCall, session: ClientSession, owner: StreamOwner, decode: (bytes: Buffer) => Result<Request>, nowMs: number) {
    this.#call = call
    this.session = session
    this.#owner = owner
    this.from = call.caller.from
    this.connectedSinceMs = nowMs
    this.acknowledged = new Acknowledged(nowMs)
    call.listen({
      message: (bytes) => this.#receive(decode(bytes)),
      ended: () => this.end(grpcStatus.OK, ''),
      closed: () => this.#close(),
    })
  }

  /** Whether the client has taken all that was sent, as far as the stream knows. */
  get idle(): boolean {
    return this.#open && this.#flushed === undefined && this.admitted !== undefined
  }

  /** `flushed` runs exactly once: when the client's connection has taken it all, or is gone. */
  send(messages: readonly OutgoingMessage[], flushed: () => void): void {
    let unflushed = messages.length
    this.#flushed = flushed
    for (const { typeUrl, chunks } of messages) {
      this.#owner.sent(
        this,
        typeUrl,
        chunks.reduce((sum, { length }) => sum + length, 0),
      )
      this.#call.write(chunks, () => {
        if (--unflushed === 0) this.#settle()
      })
    }
  }

  #settle(): void {
    const flushed = this.#flushed
    this.#flushed = undefined
    flushed?.()
  }

  end(code: number, reason: string): void {
    if (!this.#open) return
    this.#call.end(code, reason)
    this.#close()
  }

  #receive(request: Result<Request>): unknown {
    if (!this.#open) return undefined
    if (!request.ok)
      return this.#refuse(grpcStatus.INVALID_ARGUMENT, `the discovery request cannot be read: ${request.problems[0]?.message ?? ''}`)
    if (this.admitted === undefined && !this.#admit(request.value.node)) return undefined
    if (request.value.typeUrl === undefined || request.value.typeUrl === '')
      return this.#refuse(grpcStatus.INVALID_ARGUMENT, 'type_url is missing; ADS needs it')
    const overBounds =
      this.session.protocol === 'delta' ? this.session.receiveDelta(request.value) : this.session.receiveSotw(request.value)
    if (overBounds !== undefined) return this.#refuse(grpcStatus.RESOURCE_EXHAUSTED, overBounds)
    if (request.value.errorDetail !== undefined) this.#owner.rejected(this, request.value.typeUrl, request.value.errorDetail.message ?? '')
    return this.#owner.ready(this)
  }

  /** The node is in the first request of a stream only. */
  #admit(node: Node | undefined): boolean {
    if (node === undefined) return this.#refuse(grpcStatus.INVALID_ARGUMENT, 'the first request of a stream must carry the node')
    const parsed = parseProxyNode(node)
    if (!parsed.ok) return this.#refuse(grpcStatus.INVALID_ARGUMENT, parsed.problems[0]?.message ?? 'the node cannot be read')
    const identity = this.#owner.admit(this.#call, parsed.value)
    if (!identity.ok) {
      const [problem] = identity.problems
      const code = problem?.path === 'certificate' ? grpcStatus.UNAUTHENTICATED : grpcStatus.PERMISSION_DENIED
      return this.#refuse(code, problem?.message ?? 'refused')
    }
    const discoversVirtualHosts = parsed.value.discoversVirtualHosts && this.session.protocol === 'delta'
    const admitted = { ...parsed.value, discoversVirtualHosts }
    this.admitted = { node: admitted, identity: identity.value }
    this.#owner.admitted(this, admitted)
    return true
  }

  #refuse(code: number, reason: string): false {
    this.#owner.refused(this, reason)
    this.end(code, reason)
    return false
  }

  #close(): void {
    if (!this.#open) return
    this.#open = false
    this.#owner.closed(this)
    this.#settle()
  }
}
