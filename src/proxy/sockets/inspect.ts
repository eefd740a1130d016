// Reads the first octets of a connection to learn what it is, then puts them back as if nobody had looked.
// Invariant: nothing is written, and the connection is paused while somebody decides.
import type { Socket } from 'node:net'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'
import { readClientHello } from './client-hello.ts'

export interface Inspection {
  readonly transportProtocol: 'tls' | 'raw_buffer'
  readonly serverName: string
  readonly alpn: readonly string[]
  /** Plaintext that begins like an HTTP request. */
  readonly looksLikeHttp: boolean
}

/** Envoy: listener_filters_timeout. */
const TIMEOUT_MS = 15_000
const PLAINTEXT = { transportProtocol: 'raw_buffer', serverName: '', alpn: [], looksLikeHttp: false } as const

/** Calls back once; not at all when the client goes away first. */
export function inspect(socket: Socket, wheel: TimerWheel, done: (inspection: Inspection) => void): void {
  let held: Buffer | undefined
  const deadline: Deadline = wheel.after(TIMEOUT_MS, () => socket.destroy())
  const stop = (): void => {
    wheel.cancel(deadline)
    socket.removeListener('data', onData)
    socket.removeListener('end', onEnd)
    socket.removeListener('close', onClose)
  }
  const finish = (inspection: Inspection): void => {
    stop()
    socket.pause()
    if (held !== undefined) socket.unshift(held)
    done(inspection)
  }
  const onData = (chunk: Buffer): void => {
    held = held === undefined ? chunk : Buffer.concat([held, chunk])
    const hello = readClientHello(held)
    if (hello.kind === 'incomplete') return
    if (hello.kind === 'not-tls') finish({ ...PLAINTEXT, looksLikeHttp: looksLikeHttp(held) })
    else finish({ transportProtocol: 'tls', serverName: hello.serverName, alpn: hello.alpn, looksLikeHttp: false })
  }
  const onEnd = (): void => {
    stop()
    socket.destroy()
  }
  const onClose = (): void => stop()
  socket.on('data', onData)
  socket.on('end', onEnd)
  socket.on('close', onClose)
}

function looksLikeHttp(bytes: Buffer): boolean {
  return /^[A-Z][A-Z-]{1,20}(?: |$)/.test(bytes.toString('latin1', 0, 24))
}
