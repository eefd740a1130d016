// TCP proxying: one connection in, one connection out, octets between. Called for filter chains that end in a TCP proxy.
// Invariant: recorded exactly once, whether it was joined, refused or could not be connected.
import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { TimerWheel } from '../../base/timer-wheel.ts'
import type { TcpProxy } from '../config/proxy-config.ts'
import type { OutcomeRecorder } from '../data-plane.ts'
import { chooseCluster } from '../decide/weighted.ts'
import { newOutcome } from '../http/new-outcome.ts'
import { FAILURES, type FailureKind } from '../rescue.ts'
import { switchReads } from '../sockets/switch-reads.ts'
import { joinSockets, type Tunnel } from '../sockets/tunnel.ts'
import type { ConnectionFacts } from '../telemetry/outcome.ts'
import type { ClusterRuntime } from '../upstream/cluster-runtime.ts'
import { type ConnectHandler, type ConnectTarget, openConnection } from '../upstream/connect.ts'
import { PassingReads } from '../upstream/passing-reads.ts'
import { ReadBuffer, type ReadTarget, TUNNEL_LARGE } from '../upstream/read-buffer.ts'

export interface TcpServices {
  readonly clock: Clock
  readonly random: Random
  readonly wheel: TimerWheel
  readonly recorder: OutcomeRecorder
  cluster(name: string): ClusterRuntime | undefined
}

export interface TcpClient {
  readonly socket: Socket
  readonly facts: ConnectionFacts
  readonly destination: { readonly host: string; readonly port: number }
}

/** What a client may say before there is somebody to say it to. */
const MAX_EARLY_BYTES = 64 * 1024

/** Returns the way to cut it. */
export function proxyTcp(client: TcpClient, proxy: TcpProxy, services: TcpServices, onClosed: () => void): () => void {
  const { socket, facts } = client
  const outcome = newOutcome(facts, services.clock.nowMs())
  const startedMs = services.clock.monotonicMs()
  let finished = false
  let tunnel: Tunnel | undefined
  let giveUp: (() => void) | undefined
  let clientReads: PassingReads | undefined
  const early: Buffer[] = []

  const chosen = chooseCluster(proxy, services.random)
  outcome.clusterName = chosen?.name ?? ''
  const cluster = chosen === undefined ? undefined : services.cluster(chosen.name)
  outcome.cluster = cluster?.config
  socket.on('error', ignoreUntilClose)
  socket.once('close', onClientClosed)

  function onClientClosed(): void {
    if (tunnel !== undefined) return
    giveUp?.()
    finish('downstream-closed')
  }

  function finish(failure: FailureKind | undefined): void {
    if (finished) return
    finished = true
    if (failure !== undefined) {
      outcome.flags = FAILURES[failure].flag
      outcome.details = FAILURES[failure].details
      socket.destroy()
    }
    outcome.durationMs = services.clock.monotonicMs() - startedMs
    services.recorder.recordTcp(outcome, proxy.accessLogs)
    onClosed()
  }

  /** Read on while the upstream is connected, so that a client that goes away is noticed; without a buffer per connection, where Node lets us. */
  function holdEarly(): void {
    clientReads = switchReads(socket, () => new PassingReads())
    if (clientReads === undefined) return
    let held = 0
    clientReads.onData = (chunk) => {
      clientReads?.retain()
      early.push(chunk)
      held += chunk.length
      if (held >= MAX_EARLY_BYTES) socket.pause()
    }
  }

  function connect(runtime: ClusterRuntime): void {
    const endpoint =
      runtime.config.discovery === 'original-destination'
        ? runtime.pickOriginal(client.destination.host, client.destination.port)
        : runtime.pick(undefined, 0)
    if (endpoint === undefined) return finish('no-healthy-upstream')
    if (!runtime.load.canConnect) return finish('overflow')
    outcome.endpoint = endpoint.config
    outcome.attempts = 1
    runtime.load.connections++
    endpoint.activeRequests++
    endpoint.totalRequests++
    const { target: pooled } = endpoint.pool
    const { transport } = pooled
    const target: ConnectTarget = transport === undefined ? pooled : { ...pooled, alpn: transport.octetsAlpn }
    const giveBack = (): void => {
      runtime.load.connections--
      endpoint.activeRequests--
    }
    const handler: ConnectHandler<ReadTarget> = {
      opened: (opened) => {
        giveUp = undefined
        outcome.upstreamLocalAddress = `${opened.socket.localAddress ?? ''}:${opened.socket.localPort ?? 0}`
        outcome.upstreamPrincipal = opened.principal
        outcome.upstreamMutualTls = opened.mutualTls
        tunnel = joinSockets(socket, opened.socket, {
          wheel: services.wheel,
          clock: services.clock,
          idleTimeoutMs: proxy.idleTimeoutMs,
          clientReads,
          upstreamReads: opened.reader,
          onClose: (result) => {
            giveBack()
            outcome.bytesReceived = result.bytesReceived
            outcome.bytesSent = result.bytesSent
            finish(undefined)
          },
        })
        for (const chunk of early.splice(0)) clientReads?.onData?.(chunk)
      },
      failed: (failure, reason) => {
        giveUp = undefined
        giveBack()
        outcome.upstreamTransportFailure = failure === 'upstream-identity' ? reason : ''
        finish(failure)
      },
    }
    // Without TLS a short connection is spared a buffer of its own; one that turns out busy gets it.
    const reader: ReadTarget = transport === undefined ? new PassingReads() : new ReadBuffer(TUNNEL_LARGE)
    const abandon = openConnection(target, services, handler, reader, transport !== undefined)
    giveUp = () => {
      abandon()
      giveBack()
    }
  }

  if (chosen === undefined || cluster === undefined) finish('cluster-not-found')
  else {
    socket.pause()
    holdEarly()
    connect(cluster)
  }
  return () => (tunnel === undefined ? socket.destroy() : tunnel.cut())
}

/** 'close' follows and is dealt with; without a listener an error would end the process. */
function ignoreUntilClose(): undefined {
  return undefined
}
