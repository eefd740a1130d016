// This replica's part in what all replicas know together: it reports its proxies' progress to the leader, and collects all reports while it
// leads itself. Opened by the composition of a control plane in a cluster; the pieces are xds/serve's digest*.ts.
// Invariant: whoever begins to lead knows nothing: every replica tells it everything anew.
import { formatRef, refOf } from '../../api/object-meta.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { Trust } from '../../identity/peer.ts'
import type { SpiffeId } from '../../identity/spiffe-id.ts'
import type { KubeState } from '../../operator/ingest/kube-state.ts'
import { STATUS_KINDS } from '../../operator/status/status-kinds.ts'
import type { XdsServer } from '../../xds/serve/ads-server.ts'
import { createDigestBoard, type DigestBoard } from '../../xds/serve/digest-board.ts'
import { createDialLeader } from '../../xds/serve/digest-client.ts'
import { type Leader, startDigestReport } from '../../xds/serve/digest-report.ts'
import { createDigestService } from '../../xds/serve/digest-service.ts'
import { createDigestSource, type ObjectVersion } from '../../xds/serve/digest-source.ts'
import type { GrpcService, ServerCertificate } from '../../xds/serve/grpc-server.ts'
import type { ProxyNode } from '../../xds/view/proxy-node.ts'
import type { CompileClient } from './compile-client.ts'
import { nodeKey } from './compile-protocol.ts'

export interface ReplicaDigestsOptions {
  /** The pod's name. */
  readonly replica: string
  readonly compiler: Pick<CompileClient, 'concerns' | 'stamp' | 'roundOf'>
  readonly xds: () => Pick<XdsServer, 'acknowledgements'>
  /** The control plane's own. */
  readonly identity: () => SpiffeId
  readonly certificate: () => ServerCertificate
  readonly rootsPem: () => string
  readonly trust: () => Trust
  /** While this replica leads: something is different about these objects. */
  readonly changed: (objects: ReadonlySet<string>) => void
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface ReplicaDigests {
  /** For the gRPC server of the control plane. */
  readonly service: GrpcService
  readonly board: DigestBoard
  /** After every compile, with the round that it says. */
  compiled(round: number, state: KubeState): void
  /** Proxies that are gone and still counted: compiled for as those that are connected. */
  absent(): readonly ProxyNode[]
  /** @param leader a Lease's holder, `name@host:port`; 'self': this replica; undefined: nobody. */
  setLeader(leader: Leader): void
  /** A digest now, for who cannot wait for the next. */
  report(): Promise<void>
  stop(): void
}

const COLLECT_MS = 250

export function openReplicaDigests(options: ReplicaDigestsOptions): ReplicaDigests {
  const { clock, compiler } = options
  const board = createDigestBoard(() => clock.nowMs())
  let isLeader = false
  let compiledFrom: KubeState | undefined
  let timer: Timer | undefined
  const source = createDigestSource({
    acknowledgements: () => options.xds().acknowledgements(),
    concerns: () => compiler.concerns(),
    stamp: () => compiler.stamp,
    roundOf: (node, resources) => compiler.roundOf(node, resources),
    keyOf: nodeKey,
    clock,
  })
  const { service, close } = createDigestService({ ...options, board, isLeader: () => isLeader })
  const reports = startDigestReport({
    ...options,
    source,
    take: (message) => board.take(message),
    dial: createDialLeader(options),
  })
  const collect = (): void => {
    timer = clock.after(COLLECT_MS, collect, { background: true })
    if (!isLeader) return
    board.tidy()
    const changed = board.takeChanged()
    if (changed.size > 0) options.changed(changed)
  }
  collect()
  return {
    service,
    board,
    compiled(round, state) {
      if (compiledFrom !== undefined && STATUS_KINDS.every((kind) => compiledFrom?.objects[kind] === state.objects[kind])) return
      compiledFrom = state
      source.compiled(round, versionsOf(state))
    },
    absent: () => source.absent(),
    setLeader(leader) {
      const leads = leader === 'self'
      if (leads !== isLeader) {
        isLeader = leads
        board.clear()
        close()
      }
      reports.setLeader(leader)
    },
    report: () => reports.report(),
    stop() {
      timer?.cancel()
      reports.stop()
      close()
    },
  }
}

/** `name@host:port`, where the host may be an address in brackets. */
export function leaderAddress(holder: string): { readonly host: string; readonly port: number } | undefined {
  const [, host = '', port = ''] = /@\[?([^@\]]+)\]?:(\d+)$/.exec(holder) ?? []
  return host === '' ? undefined : { host, port: Number(port) }
}

function* versionsOf(state: KubeState): Generator<readonly [string, ObjectVersion, object]> {
  for (const kind of STATUS_KINDS) {
    for (const object of state.objects[kind].values()) {
      const { uid = '', generation = 0 } = object.metadata
      yield [formatRef(refOf(object)), { uid, generation }, object]
    }
  }
}
