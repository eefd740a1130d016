// Reads the first octets of a connection to learn what it is, then puts them back as if nobody had looked. Called by acceptor.ts where
// the choice of a filter chain depends on them. Invariant: nothing is written, and the connection is paused while somebody decides.
import type { Socket } from 'node:net'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'
import type { ListenerInspection, PortTest } from '../config/proxy-config.ts'
import { readClientHello } from './client-hello.ts'
import { sniffHttp } from './sniff-http.ts'

export interface Inspection {
  readonly transportProtocol: 'tls' | 'raw_buffer'
  readonly serverName: string
  /** What the client offers in ALPN, or which HTTP it speaks without TLS. */
  readonly applicationProtocols: readonly string[]
  /** Plaintext that begins like an HTTP request. */
  readonly looksLikeHttp: boolean
}

export const UNINSPECTED: Inspection = { transportProtocol: 'raw_buffer', serverName: '', applicationProtocols: [], looksLikeHttp: false }

/** What is read of a connection to that port; undefined: nothing. The port is the one that the client meant. */
export function inspectionAt(wanted: ListenerInspection, port: number): ListenerInspection | undefined {
  const { tls, http, tlsExcept, httpExcept } = wanted
  if (tlsExcept === undefined && httpExcept === undefined) return wanted
  const readsTls = tls && !(tlsExcept !== undefined && holdsAt(tlsExcept, port))
  const readsHttp = http && !(httpExcept !== undefined && holdsAt(httpExcept, port))
  if (!readsTls && !readsHttp) return undefined
  return { ...wanted, tls: readsTls, http: readsHttp }
}

function holdsAt(test: PortTest, port: number): boolean {
  switch (test.kind) {
    case 'any':
      return true
    case 'range':
      return port >= test.start && port < test.end
    case 'not':
      return !holdsAt(test.test, port)
    case 'every':
      return test.tests.every((each) => holdsAt(each, port))
    case 'some':
      return test.tests.some((each) => holdsAt(each, port))
  }
}

/** Of a client whose turn it is, and who says nothing: as long as a connection that has said its first word may be quiet, or shorter. */
const LATE_CLIENT_MS = 60_000

/** Calls back once; not at all when the client goes away first, or says nothing for too long where that means the end.
 *  @param clientIsFirst whether a connection of a silent client would be served by a protocol in which clients speak first. Then silence
 *  tells nothing but that the client is late, and to go on as with plaintext would refuse the TLS hello that is still on its way. */
export function inspect(
  socket: Socket,
  wanted: ListenerInspection,
  wheel: TimerWheel,
  clientIsFirst: () => boolean,
  done: (inspection: Inspection) => void,
): void {
  let held: Buffer | undefined
  const { timeoutMs, continuesOnTimeout } = wanted
  const giveUp = (): void => (continuesOnTimeout ? finish(UNINSPECTED) : void socket.destroy())
  // Timers come before sockets in a turn of the loop: after a stall, what the client said in time is still unread when its time is up.
  const lookOnceMore = (): void => {
    deadline = wheel.after(continuesOnTimeout && clientIsFirst() ? LATE_CLIENT_MS : 1, giveUp)
  }
  let deadline: Deadline | undefined = timeoutMs === undefined ? undefined : wheel.after(timeoutMs, lookOnceMore)
  const stop = (): void => {
    if (deadline !== undefined) wheel.cancel(deadline)
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
    const inspection = readFirstOctets(held, wanted)
    if (inspection !== undefined) finish(inspection)
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

/** Undefined: not enough of them yet. */
function readFirstOctets(octets: Buffer, wanted: ListenerInspection): Inspection | undefined {
  if (wanted.tls) {
    const hello = readClientHello(octets)
    if (hello.kind === 'incomplete') return undefined
    if (hello.kind === 'hello') {
      return { transportProtocol: 'tls', serverName: hello.serverName, applicationProtocols: hello.alpn, looksLikeHttp: false }
    }
  }
  if (!wanted.http) return { ...UNINSPECTED, looksLikeHttp: looksLikeHttp(octets) }
  const http = sniffHttp(octets)
  if (http === 'incomplete') return undefined
  return { ...UNINSPECTED, applicationProtocols: http === 'none' ? [] : [http], looksLikeHttp: http !== 'none' }
}

function looksLikeHttp(octets: Buffer): boolean {
  return /^[A-Z][A-Z-]{1,20}(?: |$)/.test(octets.toString('latin1', 0, 24))
}
