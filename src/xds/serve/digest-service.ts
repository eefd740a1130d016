// Where the leader takes the other replicas' digests: a gRPC method beside the xDS streams. Registered by the composition root.
// Invariant: only a control plane of this installation may report, proven by mutual TLS: whoever could report otherwise could make a
// status say what he likes.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { type Trust, underOwnName, verifyPeer } from '../../identity/peer.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { DigestBoard } from './digest-board.ts'
import { DIGEST_PATH, decodeDigestMessage } from './digest-message.ts'
import { type GrpcCall, grpcStatus } from './grpc-call.ts'
import type { GrpcService } from './grpc-server.ts'

export interface DigestServiceOptions {
  readonly board: DigestBoard
  /** The control plane's own identity, which every replica has. */
  readonly identity: () => SpiffeId
  readonly trust: () => Trust
  readonly isLeader: () => boolean
  readonly clock: Clock
  readonly log: Logger
}

export interface DigestService {
  readonly service: GrpcService
  /** Ends all reports: this replica leads no more. */
  close(): void
}

export function createDigestService(options: DigestServiceOptions): DigestService {
  const { board, log } = options
  /** Of each replica the newest report counts. */
  const open = new Map<string, GrpcCall>()
  const calls = new Set<GrpcCall>()
  const report = (call: GrpcCall): void => {
    const why = whyNot(call, options)
    if (why !== undefined) {
      log.warn('a digest was refused', { from: call.caller.from, reason: why })
      return call.end(grpcStatus.PERMISSION_DENIED, why)
    }
    if (!options.isLeader()) return call.end(grpcStatus.UNAVAILABLE, 'this replica is not the leader')
    calls.add(call)
    let replica: string | undefined
    call.listen({
      message(bytes) {
        const message = decodeDigestMessage(bytes)
        if (!message.ok) return call.end(grpcStatus.INVALID_ARGUMENT, message.problems[0]?.message ?? '')
        if (!options.isLeader()) return call.end(grpcStatus.UNAVAILABLE, 'this replica leads no more')
        replica ??= message.value.replica
        if (message.value.replica !== replica) return call.end(grpcStatus.INVALID_ARGUMENT, 'one call is for one replica')
        open.set(replica, call)
        return board.take(message.value)
      },
      ended: () => call.end(grpcStatus.OK, ''),
      closed() {
        calls.delete(call)
        if (replica === undefined || open.get(replica) !== call) return
        open.delete(replica)
        board.lost(replica)
      },
    })
  }
  return {
    service: { streams: { [DIGEST_PATH]: report } },
    close() {
      for (const call of [...calls]) call.end(grpcStatus.UNAVAILABLE, 'this replica leads no more')
    },
  }
}

function whyNot({ caller }: GrpcCall, { trust, identity, clock }: DigestServiceOptions): string | undefined {
  if (caller.peerCertificate === undefined) return 'a digest is taken from a control plane only, which shows its certificate'
  const peer = verifyPeer(caller.peerCertificate, trust(), clock.nowMs(), caller.peerChain)
  if (!peer.ok) return peer.problems[0]?.message ?? 'the certificate is not of this mesh'
  const own = underOwnName(peer.value, trust())
  return own === identity() ? undefined : `a digest is taken from ${identity()} only, this is ${own}`
}
