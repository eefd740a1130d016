// One connection of `--verify`, by this process or, as another user, by a child of it.
import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { errorCode } from '../base/errors.ts'
import type { Dialled, Probe } from './verify-redirect.ts'

const TIMEOUT_MS = 2000

/** The program of the child: prints its port, or why it could not connect. */
function childProgram({ host, port, from }: Probe): string {
  const options = JSON.stringify({ host, port, localAddress: from, timeout: TIMEOUT_MS })
  return `const s = require('node:net').connect(${options}, () => { console.log(s.localPort); s.destroy() })
s.on('error', (e) => console.log(e.code)).on('timeout', () => { console.log('ETIMEDOUT'); s.destroy() })`
}

export function dialer(node: string): (probe: Probe) => Promise<Dialled> {
  return (probe) => (probe.uid === undefined ? dialHere(probe) : dialAs(node, probe, probe.uid))
}

function dialHere({ host, port, from }: Probe): Promise<Dialled> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS, ...(from === undefined ? {} : { localAddress: from }) })
    const fail = (code: string): void => {
      socket.destroy()
      resolve({ kind: 'failed', code })
    }
    socket.once('connect', () => {
      resolve({ kind: 'connected', localPort: socket.localPort ?? 0 })
      socket.destroy()
    })
    socket.once('timeout', () => fail('ETIMEDOUT'))
    socket.on('error', (error) => fail(errorCode(error) ?? 'failed'))
  })
}

function dialAs(node: string, probe: Probe, uid: number): Promise<Dialled> {
  return new Promise((resolve) => {
    const fail = (error: unknown): void => resolve({ kind: 'failed', code: errorCode(error) ?? 'failed' })
    try {
      execFile(node, ['-e', childProgram(probe)], { uid, gid: uid, timeout: 5 * TIMEOUT_MS }, (error, output) => {
        const said = output.trim()
        if (/^\d+$/.test(said)) resolve({ kind: 'connected', localPort: Number(said) })
        else if (said === '') fail(error)
        else resolve({ kind: 'failed', code: said })
      })
    } catch (error) {
      // Node throws what it does not expect of a spawn, EPERM among it.
      fail(error)
    }
  })
}
