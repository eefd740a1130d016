// Istio's standard metrics. A cell holds what is counted for one combination of labels; the hot path finds it by the identity of
// objects (connection, endpoint or cluster) and never builds a string; only the first request of a combination does.
// Invariant: the number of cells is bounded; beyond it everything is still counted, under labels that say 'other'.
import type { Cluster } from '../config/proxy-config.ts'
import { istioLabels, type RequestProtocol, type Self } from './istio-labels.ts'
import { Counter, formatLabels, Histogram, type Labels, type MetricFamily, type MetricRegistry, type Sample } from './metrics.ts'
import type { ConnectionFacts, Outcome, PeerLabels } from './outcome.ts'
import { grpcStatusOf } from './trailers.ts'

export const DEFAULT_MAX_CELLS = 2000

class HttpCell {
  readonly requests = new Counter()
  readonly duration = new Histogram()
  readonly requestBytes = new Histogram()
  readonly responseBytes = new Histogram()
}

class TcpCell {
  readonly opened = new Counter()
  readonly closed = new Counter()
  readonly sent = new Counter()
  readonly received = new Counter()
}

/** What besides connection and target tells one cell from another. */
interface Entry<C> {
  readonly status: number
  readonly flags: string
  readonly grpcStatus: string
  readonly protocol: RequestProtocol
  readonly principal: string
  readonly clusterName: string
  readonly cell: C
}

interface ConnectionCells<C> {
  /** Cells are for this peer; it may become known only with the first request. */
  peer: PeerLabels | undefined
  readonly byTarget: Map<unknown, Entry<C>[]>
}

/** More kinds of answers from one target on one connection are looked up the slow way. */
const MAX_ENTRIES = 16

/** Everything that the labels of a cell are made of, but the target: two connections that agree in it count in one cell. */
interface SharedEntry<C> extends Entry<C> {
  readonly direction: ConnectionFacts['direction']
  readonly mutualTls: boolean
  readonly peerPrincipal: string
  readonly localPrincipal: string
  readonly upstreamMutualTls: boolean
  readonly ownPrincipal: string
}

class CellTable<C> {
  readonly cells = new Map<string, C>()
  /** For connections whose peer has not named itself: short ones would otherwise each write out two dozen labels, a tenth of their cost. */
  readonly #shared = new WeakMap<Cluster, WeakMap<object, SharedEntry<C>[]>>()
  readonly #byConnection = new WeakMap<ConnectionFacts, ConnectionCells<C>>()
  readonly #create: () => C
  readonly #self: Self
  readonly #maxCells: number

  constructor(create: () => C, self: Self, maxCells: number) {
    this.#create = create
    this.#self = self
    this.#maxCells = maxCells
  }

  find(outcome: Outcome, protocol: RequestProtocol, grpcStatus: string): C {
    const { connection } = outcome
    let known = this.#byConnection.get(connection)
    if (known === undefined || known.peer !== connection.peer) {
      known = { peer: connection.peer, byTarget: new Map() }
      this.#byConnection.set(connection, known)
    }
    const target = outcome.endpoint ?? outcome.cluster
    let entries = known.byTarget.get(target)
    if (entries === undefined) {
      entries = []
      known.byTarget.set(target, entries)
    }
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index]
      if (entry !== undefined && covers(entry, outcome, protocol, grpcStatus)) return entry.cell
    }
    const cell = this.findShared(outcome, protocol, grpcStatus)
    if (entries.length < MAX_ENTRIES) entries.push(entryOf(outcome, protocol, grpcStatus, cell))
    return cell
  }

  /** For what is counted once per connection: nothing is kept of the connection itself. */
  findShared(outcome: Outcome, protocol: RequestProtocol, grpcStatus: string): C {
    const { cluster } = outcome
    if (cluster === undefined || outcome.connection.peer !== undefined) return this.#resolve(outcome, protocol, grpcStatus)
    const ownPrincipal = this.#self.principal()
    const entries = this.#sharedOf(cluster, outcome.endpoint ?? cluster)
    for (const entry of entries) if (covers(entry, outcome, protocol, grpcStatus) && shares(entry, outcome, ownPrincipal)) return entry.cell
    const cell = this.#resolve(outcome, protocol, grpcStatus)
    const { direction, mutualTls, peerPrincipal, localPrincipal } = outcome.connection
    const { upstreamMutualTls } = outcome
    const facts = { direction, mutualTls, peerPrincipal, localPrincipal, upstreamMutualTls, ownPrincipal }
    if (entries.length < MAX_ENTRIES) entries.push({ ...entryOf(outcome, protocol, grpcStatus, cell), ...facts })
    return cell
  }

  /** By cluster first: an update of its metadata makes a new one, with other labels, and leaves its endpoints as they are. */
  #sharedOf(cluster: Cluster, target: object): SharedEntry<C>[] {
    let byTarget = this.#shared.get(cluster)
    if (byTarget === undefined) {
      byTarget = new WeakMap()
      this.#shared.set(cluster, byTarget)
    }
    let entries = byTarget.get(target)
    if (entries === undefined) {
      entries = []
      byTarget.set(target, entries)
    }
    return entries
  }

  #resolve(outcome: Outcome, protocol: RequestProtocol, grpcStatus: string): C {
    const labels = istioLabels(outcome, this.#self, protocol, grpcStatus)
    const key = formatLabels(labels)
    const known = this.cells.get(key)
    if (known !== undefined) return known
    return this.cells.size < this.#maxCells ? this.#add(key) : this.#other(labels)
  }

  #other(labels: Labels): C {
    const key = formatLabels(
      Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, KEPT_IN_OTHER.has(name) ? value : 'other'])),
    )
    return this.cells.get(key) ?? this.#add(key)
  }

  #add(key: string): C {
    const cell = this.#create()
    this.cells.set(key, cell)
    return cell
  }
}

/** Labels with few values: they still tell success from failure when the table is full. */
const KEPT_IN_OTHER: ReadonlySet<string> = new Set(['reporter', 'request_protocol', 'connection_security_policy'])

function covers(entry: Entry<unknown>, outcome: Outcome, protocol: RequestProtocol, grpcStatus: string): boolean {
  return (
    entry.status === outcome.status &&
    entry.flags === outcome.flags &&
    entry.grpcStatus === grpcStatus &&
    entry.protocol === protocol &&
    entry.clusterName === outcome.clusterName &&
    entry.principal === outcome.upstreamPrincipal
  )
}

function shares(entry: SharedEntry<unknown>, { connection, upstreamMutualTls }: Outcome, ownPrincipal: string): boolean {
  return (
    entry.direction === connection.direction &&
    entry.mutualTls === connection.mutualTls &&
    entry.peerPrincipal === connection.peerPrincipal &&
    entry.localPrincipal === connection.localPrincipal &&
    entry.upstreamMutualTls === upstreamMutualTls &&
    entry.ownPrincipal === ownPrincipal
  )
}

function entryOf<C>(outcome: Outcome, protocol: RequestProtocol, grpcStatus: string, cell: C): Entry<C> {
  const { status, flags, upstreamPrincipal: principal, clusterName } = outcome
  return { status, flags, grpcStatus, protocol, principal, clusterName, cell }
}

export class IstioMetrics {
  readonly #http: CellTable<HttpCell>
  readonly #tcp: CellTable<TcpCell>

  constructor(self: Self, maxCells = DEFAULT_MAX_CELLS) {
    this.#http = new CellTable(() => new HttpCell(), self, maxCells)
    this.#tcp = new CellTable(() => new TcpCell(), self, maxCells)
  }

  recordHttp(outcome: Outcome): void {
    const isGrpc = outcome.request?.get('content-type')?.startsWith('application/grpc') === true
    const grpcStatus = isGrpc ? (grpcStatusOf(outcome) ?? '') : ''
    const cell = this.#http.find(outcome, isGrpc ? 'grpc' : 'http', grpcStatus)
    cell.requests.value++
    cell.duration.observe(outcome.durationMs)
    cell.requestBytes.observe(outcome.requestHeadBytes + outcome.bytesReceived)
    cell.responseBytes.observe(outcome.responseHeadBytes + outcome.bytesSent)
  }

  /** At the end of a connection: opened and closed are both counted then. */
  recordTcp(outcome: Outcome): void {
    const cell = this.#tcp.findShared(outcome, 'tcp', '')
    cell.opened.value++
    cell.closed.value++
    cell.sent.value += outcome.bytesSent
    cell.received.value += outcome.bytesReceived
  }

  /** Adds the families, and istio_build. */
  register(registry: MetricRegistry, build: { readonly component: string; readonly tag: string }): void {
    const http = this.#http.cells
    const tcp = this.#tcp.cells
    registry.add(counters('istio_requests_total', 'Requests, counted by both ends.', http, (cell) => cell.requests))
    registry.add(
      histograms('istio_request_duration_milliseconds', 'From the first byte in to the last byte out.', http, (cell) => cell.duration),
    )
    registry.add(histograms('istio_request_bytes', 'Request head and body.', http, (cell) => cell.requestBytes))
    registry.add(histograms('istio_response_bytes', 'Response head and body.', http, (cell) => cell.responseBytes))
    registry.add(counters('istio_tcp_connections_opened_total', 'TCP connections, counted when they end.', tcp, (cell) => cell.opened))
    registry.add(counters('istio_tcp_connections_closed_total', 'TCP connections ended.', tcp, (cell) => cell.closed))
    registry.add(counters('istio_tcp_sent_bytes_total', 'Bytes sent to clients.', tcp, (cell) => cell.sent))
    registry.add(counters('istio_tcp_received_bytes_total', 'Bytes received from clients.', tcp, (cell) => cell.received))
    registry.observe('gauge', 'istio_build', 'Version of this component.', () => [
      { labels: { component: build.component, tag: build.tag }, value: 1 },
    ])
  }
}

function counters<C>(name: string, help: string, cells: ReadonlyMap<string, C>, of: (cell: C) => Counter): MetricFamily {
  return {
    name,
    help,
    type: 'counter',
    *samples(): Iterable<Sample> {
      for (const [labels, cell] of cells) yield { suffix: '', labels, value: of(cell).value }
    },
  }
}

function histograms<C>(name: string, help: string, cells: ReadonlyMap<string, C>, of: (cell: C) => Histogram): MetricFamily {
  return {
    name,
    help,
    type: 'histogram',
    *samples(): Iterable<Sample> {
      for (const [labels, cell] of cells) yield* of(cell).samples(labels)
    },
  }
}
