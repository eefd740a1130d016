// The xDS server: all connected proxies, and whose turn it is. The composition root calls `update()` when there is something new; each
// client is looked at when it can take it, a bounded number at a time, so that a push to thousands neither fills memory nor blocks the loop.
// Invariant: a slow client costs one pending flag; it gets the newest configuration when it is ready, never a backlog.
import type { Clock } from '../../base/clock.ts'
import { contentHash } from '../../base/content-hash.ts'
import { errorMessage } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { fail, type Result } from '../../base/result.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { DELTA_ADS_PATH, resourceTypeNames, STREAM_ADS_PATH } from '../../envoy/type-urls.ts'
import type { Trust } from '../../identity/peer.ts'
import { type SpiffeId, workloadIdentityOf } from '../../identity/spiffe-id.ts'
import type { ServedResources } from '../generate/resources.ts'
import type { ProxyNode } from '../view/proxy-node.ts'
import { type Acknowledgement, acknowledgementOf } from './acknowledged.ts'
import { type Admitted, AdsStream, type Request, type StreamOwner } from './ads-stream.ts'
import { ClientSession } from './client-session.ts'
import { type ClientStatus, typeStatuses } from './client-status.ts'
import { type GrpcCall, grpcStatus } from './grpc-call.ts'
import type { GrpcService } from './grpc-server.ts'
import { createInterestBook } from './interest.ts'
import { agreeing, claimedIdentity, identifyPeer } from './node-identity.ts'
import { createDeltaRequestReader, LENIENT } from './read-request.ts'
import { createDeltaRenderer } from './render-delta.ts'
import { type CredentialOf, createSecrets, type SecretReader } from './secrets.ts'

export interface XdsServerOptions {
  /** Undefined: nothing is known yet (of this node); the client waits. Asked only when the client can take the answer. */
  readonly resourcesFor: (node: ProxyNode, identity: SpiffeId) => ServedResources | undefined
  /** Users' keys and certificates, for gateways; undefined: there are none. `update` says that some have changed. */
  readonly credentialOf?: CredentialOf
  readonly trust: () => Trust
  /** Served without TLS: a node is taken at its word. For networks that are secured otherwise, and off unless asked for. */
  readonly plaintext?: boolean
  /** What nodes that get the same news have in common: `update` is told these keys. Undefined: the node's id. */
  readonly keyOf?: (node: ProxyNode) => string
  /** Why this identity may not run this node's workload, from what the mesh knows of workloads; undefined when it may. */
  readonly whyNotAdmitted?: (node: ProxyNode, identity: SpiffeId) => string | undefined
  readonly clock: Clock
  readonly log: Logger
}

export interface XdsMetrics {
  pushes: number
  pushedBytes: number
  rejections: number
  refusedStreams: number
}

export interface XdsServer {
  readonly service: GrpcService
  readonly metrics: Readonly<XdsMetrics>
  /** How long the loop has been kept by clients, ever. */
  readonly servingMs: number
  /** There are new resources: for anybody, or for the nodes with these keys. Costs what it concerns, not who is connected. */
  update(keys?: Iterable<string>): void
  /** Who is connected. */
  nodes(): readonly ProxyNode[]
  statuses(): readonly ClientStatus[]
  /** What each of them is known to run. */
  acknowledgements(): readonly Acknowledgement[]
  /** Ends every stream, so that clients go elsewhere. */
  close(): void
}

/** Clients being written to at the same time: bounds memory for messages in flight (ecosystem.md measured waves of 50). */
const MAX_IN_FLIGHT = 50
/** A client that hangs keeps its place no longer than this, or a few dozen of them would stop the pushes of all. */
const STALLED_MS = 2000
/** Time for one turn of the loop; admission answers and certificates must not wait for a push to thousands. */
const TURN_MS = 5

export function createXdsServer(options: XdsServerOptions): XdsServer {
  const { clock, log, keyOf = ({ id }) => id } = options
  const renderer = createDeltaRenderer(contentHash)
  const book = createInterestBook()
  const withSecrets = createSecrets(options.credentialOf ?? (() => undefined))
  const metrics: XdsMetrics = { pushes: 0, pushedBytes: 0, rejections: 0, refusedStreams: 0 }
  const streams = new Set<AdsStream>()
  const byKey = new Map<string, Set<AdsStream>>()
  /** Whoever may have something to get, oldest first. */
  const waiting = new Set<AdsStream>()
  let inFlight = 0
  let servingMs = 0
  let scheduled = false

  const schedule = (): void => {
    if (scheduled || waiting.size === 0 || inFlight >= MAX_IN_FLIGHT) return
    scheduled = true
    setImmediate(turn)
  }
  const turn = (): void => {
    scheduled = false
    const startMs = clock.monotonicMs()
    for (const stream of waiting) {
      if (inFlight >= MAX_IN_FLIGHT || clock.monotonicMs() - startMs > TURN_MS) break
      waiting.delete(stream)
      // A busy stream comes back by itself: when it is flushed, it is ready again.
      if (stream.idle) serve(stream)
    }
    servingMs += clock.monotonicMs() - startMs
    schedule()
  }
  /** One of the places for clients being written to; given back once, when the client has taken all or has had its time. */
  const takePlace = (): (() => void) => {
    inFlight++
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      inFlight--
      timer.cancel()
      schedule()
    }
    const timer = clock.after(STALLED_MS, release, { background: true })
    return release
  }
  const serve = (stream: AdsStream): void => {
    if (stream.admitted === undefined) return
    try {
      const resources = options.resourcesFor(stream.admitted.node, stream.admitted.identity)
      const { session, acknowledged } = stream
      if (acknowledged.isOpen(resources)) settleBefore(stream, withSecrets)
      const full = resources === undefined ? undefined : withSecrets(resources, readerOf(stream.admitted))
      const messages = full === undefined ? [] : session.next(full)
      if (resources !== undefined && full !== undefined)
        acknowledged.offered(resources, messages.length > 0, session.subscriptions, clock.nowMs())
      if (messages.length === 0) return
      const release = takePlace()
      stream.send(messages, () => {
        release()
        // Whatever came while the client was busy.
        owner.ready(stream)
      })
    } catch (error) {
      log.error('configuration of a proxy could not be made', { node: stream.admitted.node.id, reason: errorMessage(error) })
      stream.end(grpcStatus.INTERNAL, 'the control plane could not make the configuration; its log says why')
    }
  }

  const owner: StreamOwner = {
    admit(call, node) {
      const trust = options.trust()
      const identity =
        options.plaintext === true ? claimedIdentity(node, trust) : agreeing(identifyPeer(call.caller, trust, clock.nowMs()), node)
      const why = identity.ok ? options.whyNotAdmitted?.(node, identity.value) : undefined
      return why === undefined ? identity : fail('node', why)
    },
    admitted(stream, node) {
      const key = keyOf(node)
      const same = byKey.get(key) ?? new Set()
      byKey.set(key, same.add(stream))
    },
    ready(stream) {
      if (!streams.has(stream)) return
      waiting.add(stream)
      schedule()
    },
    refused(stream, reason) {
      metrics.refusedStreams++
      log.warn('xDS stream refused', { from: stream.from, reason })
    },
    rejected(stream, typeUrl, message) {
      metrics.rejections++
      log.warn('configuration rejected by a proxy', {
        node: stream.admitted?.node.id,
        type: resourceTypeNames[typeUrl] ?? typeUrl,
        reason: message.slice(0, 1000),
      })
    },
    sent(stream, typeUrl, bytes) {
      metrics.pushes++
      metrics.pushedBytes += bytes
      log.debug('configuration sent', { node: stream.admitted?.node.id, type: resourceTypeNames[typeUrl] ?? typeUrl, bytes })
    },
    closed(stream) {
      streams.delete(stream)
      waiting.delete(stream)
      if (stream.admitted !== undefined) forget(keyOf(stream.admitted.node), stream)
      log.debug('xDS stream closed', { node: stream.admitted?.node.id, from: stream.from })
    },
  }
  const forget = (key: string, stream: AdsStream): void => {
    const same = byKey.get(key)
    same?.delete(stream)
    if (same?.size === 0) byKey.delete(key)
  }
  const open = (protocol: ClientSession['protocol'], decode: (bytes: Buffer) => Result<Request>) => (call: GrpcCall) => {
    streams.add(new AdsStream(call, new ClientSession(protocol, renderer, book), owner, decode, clock.nowMs()))
  }
  return {
    service: {
      streams: {
        [DELTA_ADS_PATH]: open('delta', createDeltaRequestReader(book)),
        [STREAM_ADS_PATH]: open('state-of-the-world', decodeSotw),
      },
    },
    metrics,
    get servingMs() {
      return servingMs
    },
    nodes: () => [...streams].flatMap(({ admitted }) => admitted?.node ?? []),
    update(keys = byKey.keys()) {
      for (const key of keys) for (const stream of byKey.get(key) ?? []) waiting.add(stream)
      schedule()
    },
    statuses: () => [...streams].flatMap(statusOf),
    acknowledgements: () =>
      [...streams].flatMap(({ admitted, session, acknowledged, connectedSinceMs }) =>
        admitted === undefined ? [] : [acknowledgementOf(admitted.node, session.subscriptions, acknowledged, connectedSinceMs)],
      ),
    close() {
      for (const stream of [...streams]) stream.end(grpcStatus.UNAVAILABLE, 'the control plane is stopping')
    },
  }
}

/** Newer resources are there: what was offered before counts when all of it has been answered, or a client that answers in time would
 *  look as if it had never taken anything in a mesh that changes all the time. */
function settleBefore({ admitted, session, acknowledged }: AdsStream, withSecrets: ReturnType<typeof createSecrets>): void {
  const { lastOffered } = acknowledged
  if (lastOffered === undefined || admitted === undefined) return
  const full = withSecrets(lastOffered, readerOf(admitted))
  if (full !== undefined && session.hasAnswered(full)) acknowledged.settle(lastOffered, session.subscriptions)
}

/** The account is what the certificate says, whatever the node does. */
function readerOf({ node: { namespace, type }, identity }: Admitted): SecretReader {
  return { namespace, type, serviceAccount: workloadIdentityOf(identity)?.serviceAccount ?? '' }
}

function statusOf({ admitted, session, from, connectedSinceMs }: AdsStream): readonly ClientStatus[] {
  if (admitted === undefined) return []
  const { node, identity } = admitted
  return [
    {
      ...{ node: node.id, workload: node.workload, namespace: node.namespace, identity, from, connectedSinceMs },
      protocol: session.protocol,
      types: typeStatuses(session.subscriptions),
    },
  ]
}

function decodeSotw(bytes: Buffer): Result<Request> {
  return fullCodec.decode('envoy.service.discovery.v3.DiscoveryRequest', bytes, LENIENT)
}
