// Listening with a sentence when it fails, and without a second program on the same socket. Used by start.ts.
import { chmodSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect } from 'node:net'
import { errorCode, errorMessage, LateenError } from '../../base/errors.ts'

/** Resolves with the port. `preferred` is tried first, and another one taken when somebody has it: it was only where we were before. */
export async function listenOnPort(server: Server, host: string, port: number, preferred: number): Promise<number> {
  if (port === 0 && preferred !== 0) {
    try {
      return await listenOnce(server, host, preferred)
    } catch (error) {
      if (errorCode(error) !== 'EADDRINUSE') throw error
    }
  }
  try {
    return await listenOnce(server, host, port)
  } catch (error) {
    throw new LateenError('LISTEN_FAILED', `cannot listen on ${host}:${port}: ${errorMessage(error)}; choose another port`, {
      cause: error,
    })
  }
}

function listenOnce(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

/** Before anything is touched: two control planes on one folder would take each other's ports and tokens. */
export async function refuseSecond(socketPath: string): Promise<void> {
  if (!(await answers(socketPath))) return
  throw new LateenError(
    'MESH_RUNNING',
    `a control plane runs with this state folder already: it answers at ${socketPath}; stop it, or choose another folder with --state`,
  )
}

export async function listenOnSocket(server: Server, path: string): Promise<void> {
  // Left behind by a control plane that was killed.
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, () => resolve())
  })
  chmodSync(path, 0o600)
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

export function closed(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}
