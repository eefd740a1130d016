// Is a port free, and which number may this mesh carry? The operating system is the lock: a mesh holds the last port of its block
// for as long as it lives, and however it dies the port is free again.
import { createServer, type Server } from 'node:net'
import { errorCode, LateenError } from '../base/errors.ts'
import { MAX_MESHES, meshLockPort } from './address-plan.ts'

export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** Whether this program could listen there now. */
export async function isFree(at: HostAndPort): Promise<boolean> {
  const server = await listen(at)
  if (server === undefined) return false
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return true
}

/** The first free port from `port` up, for a hint; undefined when a hundred are taken. */
export async function nextFreePort({ host, port }: HostAndPort): Promise<number | undefined> {
  for (let candidate = port; candidate < Math.min(port + 100, 65_536); candidate++) {
    if (await isFree({ host, port: candidate })) return candidate
  }
  return undefined
}

export interface MeshNumber {
  readonly mesh: number
  release(): void
}

/** The number it had before, when free (its addresses stay the same), else the lowest free one. */
export async function claimMeshNumber(preferred: number | undefined): Promise<MeshNumber> {
  const candidates = Array.from({ length: MAX_MESHES }, (_, index) => index + 1)
  for (const mesh of preferred === undefined ? candidates : [preferred, ...candidates]) {
    const server = await listen({ host: '127.0.0.1', port: meshLockPort(mesh) })
    if (server !== undefined) return { mesh, release: () => void server.close() }
  }
  throw new LateenError('NO_MESH_NUMBER', `${MAX_MESHES} meshes run on this machine already, or their ports are taken. Stop one of them.`)
}

function listen({ host, port }: HostAndPort): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error) => {
      const code = errorCode(error)
      if (code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL') resolve(undefined)
      else reject(error)
    })
    server.listen({ host, port, exclusive: true }, () => resolve(server))
  })
}
