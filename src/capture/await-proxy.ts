// Waits until the pod's proxy is ready, so that the containers after this one start with a working network. Called by bin/iptables.ts after
// the rules are in place. Why here and not in a startup probe of the proxy: docs/decisions/start-of-a-pod.md.
// Invariant: bounded by nothing but the pod: an application that starts before its proxy has connections that nobody takes. What is waited
// for is said, and said again.
import { connect } from 'node:net'
import { type Clock, delay } from '../base/clock.ts'
import { errorCode } from '../base/errors.ts'

export interface ProxyAnswer {
  readonly ready: boolean
  /** The proxy's own words, or why it could not be asked. */
  readonly reason: string
}

export interface AwaitProxyOptions {
  readonly ask: () => Promise<ProxyAnswer>
  readonly say: (line: string) => void
  readonly clock: Clock
}

const ASK_AGAIN_MS = 25
/** A proxy needs so long to start: nothing to speak of. */
const SAY_AFTER_MS = 2_000
const SAY_AGAIN_MS = 30_000
/** The proxy holds its answer back until it is ready, or so long. */
const HELD_MS = 2_500
const TIMEOUT_MS = 5_000

export async function awaitProxy({ ask, say, clock }: AwaitProxyOptions): Promise<void> {
  const startedMs = clock.monotonicMs()
  let said = ''
  let sayAtMs = startedMs + SAY_AFTER_MS
  for (;;) {
    const { ready, reason } = await ask()
    const nowMs = clock.monotonicMs()
    if (ready) return say(`the proxy is ready, ${Math.round(nowMs - startedMs)} ms after the rules`)
    if (nowMs >= sayAtMs && (reason !== said || nowMs >= sayAtMs + SAY_AGAIN_MS)) {
      say(`waiting for the proxy (container lateen-proxy), so that the application starts with a working network: ${reason}`)
      said = reason
      sayAtMs = nowMs
    }
    await delay(clock, ASK_AGAIN_MS)
  }
}

/** One GET, by hand: an HTTP client would be half of what this program loads. The pod's own loopback is never redirected. */
export function readinessOnPort(port: number): () => Promise<ProxyAnswer> {
  return () =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, timeout: TIMEOUT_MS })
      let text = ''
      const end = (answer: ProxyAnswer): void => {
        socket.destroy()
        resolve(answer)
      }
      socket.setEncoding('utf8')
      socket.once('connect', () =>
        socket.write(`GET /healthz/ready?wait=${HELD_MS} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`),
      )
      socket.on('data', (chunk: string) => {
        text += chunk
      })
      socket.once('end', () => end(answerIn(text)))
      socket.once('timeout', () => end({ ready: false, reason: `no answer on port ${port} within ${TIMEOUT_MS} ms` }))
      socket.on('error', (error) => end({ ready: false, reason: `nobody answers on port ${port} (${errorCode(error) ?? error.message})` }))
    })
}

function answerIn(text: string): ProxyAnswer {
  const [, status = ''] = /^HTTP\/1\.1 (\d{3})/.exec(text) ?? []
  const [, body = ''] = text.split('\r\n\r\n')
  // The proxy's reasons are short, so that its answer is one chunk or has a length.
  const reason = body.replace(/^[\da-f]+\r\n|\r\n0$/g, '').trim()
  return { ready: status === '200', reason: reason === '' ? `status ${status || 'unknown'}` : reason }
}
