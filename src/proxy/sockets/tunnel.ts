// Two sockets, or streams of HTTP/2, joined octet by octet: TCP proxying, WebSocket after its handshake, CONNECT. Each side is paused while anything written to
// the other is pending, so that memory stays bounded and one read buffer serves the next read; the end of one direction is passed on
// and leaves the other open (half-close).
// Invariant: `onClose` is called exactly once, when both sockets are done.
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../../base/clock.ts'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'
import { PassingReads } from '../upstream/passing-reads.ts'
import type { ReadTarget } from '../upstream/read-buffer.ts'
import { switchReads } from './switch-reads.ts'

export interface TunnelOptions {
  readonly wheel: TimerWheel
  readonly clock: Clock
  /** Nothing moved in either direction for this long: both are closed. Undefined or 0: never. */
  readonly idleTimeoutMs: number | undefined
  readonly onClose: (result: TunnelResult) => void
  /** What a socket reads into; undefined: it emits 'data'. */
  readonly clientReads?: ReadTarget | undefined
  readonly upstreamReads?: ReadTarget | undefined
}

export interface TunnelResult {
  /** From the client, and to the client. */
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly endedBy: 'client' | 'upstream' | 'idle' | 'cut'
}

export interface Tunnel {
  cut(): void
}

export function joinSockets(client: Duplex, upstream: Duplex, options: TunnelOptions): Tunnel {
  let bytesReceived = 0
  let bytesSent = 0
  let open = 2
  let endedBy: TunnelResult['endedBy'] | undefined
  let lastMoveMs = options.clock.monotonicMs()
  let deadline: Deadline | undefined

  listen(client, options.clientReads, flow(client, upstream, 'client'))
  listen(upstream, options.upstreamReads, flow(upstream, client, 'upstream'))
  watchIdle()

  /** What to do with octets of `from`. */
  function flow(from: Duplex, to: Duplex, side: 'client' | 'upstream'): (chunk: Buffer) => void {
    let waits = false
    let writes = 0
    const written = (): void => {
      if (!waits || to.writableLength > 0) return
      waits = false
      from.resume()
    }
    const onEnd = (): void => {
      endedBy ??= side
      if (to.readableEnded && from.writableFinished && isIdlePlain(to)) to.destroy()
      else if (!to.writableEnded) to.end()
    }
    from.on('end', onEnd)
    from.on('error', () => {
      endedBy ??= side
    })
    from.on('close', () => {
      endedBy ??= side
      // A reset is no end: the other side must not take what it got for the whole.
      if (!from.readableEnded || !from.writableFinished) to.destroy()
      // Ended twice it would make an error that nobody reads, for every connection.
      else if (!to.writableEnded) to.end()
      finishOne()
    })
    if (from.destroyed) queueMicrotask(() => from.emit('close'))
    else if (from.readableEnded) queueMicrotask(onEnd)
    else from.resume()
    return (chunk) => {
      if (side === 'client') bytesReceived += chunk.length
      else bytesSent += chunk.length
      lastMoveMs = options.clock.monotonicMs()
      if (to.destroyed) return
      // The first write has nothing before it to wait for (Linux holds back a small segment only behind another); a short connection has no second.
      if (++writes === 2 && to instanceof Socket) to.setNoDelay(true)
      to.write(chunk, written)
      if (to.writableLength === 0) return
      waits = true
      from.pause()
    }
  }

  function finishOne(): void {
    open--
    if (open !== 0) return
    if (deadline !== undefined) options.wheel.cancel(deadline)
    options.onClose({ bytesReceived, bytesSent, endedBy: endedBy ?? 'cut' })
  }

  function watchIdle(): void {
    const { idleTimeoutMs } = options
    if (idleTimeoutMs === undefined || idleTimeoutMs <= 0) return
    const leftMs = lastMoveMs + idleTimeoutMs - options.clock.monotonicMs()
    if (leftMs <= 0) {
      endedBy ??= 'idle'
      client.destroy()
      upstream.destroy()
    } else deadline = options.wheel.after(leftMs, watchIdle)
  }

  return {
    cut: () => {
      endedBy ??= 'cut'
      client.destroy()
      upstream.destroy()
    },
  }
}

/** Both directions have ended and all of it is with the kernel: closing says so too, without a shutdown before it. TLS says goodbye first. */
function isIdlePlain(to: Duplex): boolean {
  return to.writableLength === 0 && !to.writableEnded && Object.getPrototypeOf(to) === Socket.prototype
}

/** Octets of `from` to `pass`. Without a reader of its own an accepted connection is given one, where Node lets us. */
function listen(from: Duplex, given: ReadTarget | undefined, pass: (chunk: Buffer) => void): void {
  const reader = given ?? (from instanceof Socket && !from.destroyed ? switchReads(from, () => new PassingReads()) : undefined)
  if (reader !== undefined) {
    reader.onData = pass
    return
  }
  from.on('data', pass)
}
