// Talks to a running mesh: HTTP with JSON over the UNIX socket in its state folder. Used by the supervisor and by every CLI command
// that needs a mesh. The file system is the authentication: the folder is 0700, the socket 0600.

import { LateenError } from '../base/errors.ts'
import { request } from '../base/node-http.ts'

export interface MeshClient {
  readonly socket: string
  get(path: string): Promise<unknown>
  post(path: string, body: unknown): Promise<MeshAnswer>
}

/** An answer with a status: a refusal (400, 409, 422) carries its reasons in the body. */
export interface MeshAnswer {
  readonly status: number
  readonly body: unknown
}

const TIMEOUT_MS = 30_000

export function connectMesh(socket: string): MeshClient {
  return {
    socket,
    async get(path) {
      const answer = await exchange(socket, 'GET', path, undefined)
      if (answer.status !== 200) throw refused('GET', path, answer)
      return answer.body
    },
    post: (path, body) => exchange(socket, 'POST', path, body),
  }
}

/** For answers that a command cannot use. */
export function refused(method: string, path: string, { status, body }: MeshAnswer): LateenError {
  const message = typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : JSON.stringify(body)
  return new LateenError('MESH_REFUSED', `The mesh answered ${status} to ${method} ${path}: ${message}`)
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof LateenError && error.code === 'MESH_NOT_RUNNING'
}

function exchange(socket: string, method: string, path: string, body: unknown): Promise<MeshAnswer> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body)
    const headers = payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }
    const outgoing = request({ socketPath: socket, method, path, headers, agent: false, timeout: TIMEOUT_MS }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parseJson(text) }))
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${TIMEOUT_MS / 1000} s`)))
    outgoing.on('error', (error) => {
      const message = `No mesh answers at ${socket} (${error.message}). Start one with: npx lateen run DIR`
      reject(new LateenError('MESH_NOT_RUNNING', message, { cause: error }))
    })
    outgoing.end(payload)
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
