// Is it ready? The probes of a LocalWorkload, and the same question to a sidecar. One attempt per call; the caller owns the rhythm.

import { connect } from 'node:net'
import { type Clock, delay } from '../base/clock.ts'
import { request } from '../base/node-http.ts'
import type { HostPort } from '../model/address-plan.ts'

export type Probe =
  | { readonly kind: 'http'; readonly at: HostPort; readonly path: string; readonly timeoutMs: number }
  | { readonly kind: 'tcp'; readonly at: HostPort; readonly timeoutMs: number }

/** Undefined when ready, else why not. Kubernetes' rule: 200 to 399 is a yes. */
export function probeOnce(probe: Probe): Promise<string | undefined> {
  return probe.kind === 'http' ? probeHttp(probe) : probeTcp(probe)
}

function probeHttp({ at, path, timeoutMs }: Extract<Probe, { kind: 'http' }>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const outgoing = request(
      { host: at.host, port: at.port, path, agent: false, timeout: timeoutMs, headers: { 'user-agent': 'lateen-probe' } },
      (response) => {
        const status = response.statusCode ?? 0
        response.resume()
        resolve(status >= 200 && status < 400 ? undefined : `it answers ${status}`)
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    outgoing.on('error', (error) => resolve(error.message))
    outgoing.end()
  })
}

function probeTcp({ at, timeoutMs }: Extract<Probe, { kind: 'tcp' }>): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: at.host, port: at.port, timeout: timeoutMs })
    const done = (why: string | undefined): void => {
      socket.destroy()
      resolve(why)
    }
    socket.on('timeout', () => done(`no connection within ${timeoutMs} ms`))
    socket.on('connect', () => done(undefined))
    socket.on('error', (error) => done(error.message))
  })
}

/** Asks until it is ready (true) or the signal aborts (false). */
export async function untilReady(probe: Probe, clock: Clock, everyMs: number, signal: AbortSignal): Promise<boolean> {
  while (!signal.aborted) {
    if ((await probeOnce(probe)) === undefined) return true
    await delay(clock, everyMs, signal)
  }
  return false
}
