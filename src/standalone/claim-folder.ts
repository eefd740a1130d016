// One mesh per state folder: whoever runs it listens on a socket in it. The kernel forgets a dead listener, so a crash leaves no lock.
import { unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import path from 'node:path'
import { LateenError } from '../base/errors.ts'
import type { StateFolder } from './state-folder.ts'

/** Claims the folder for this process, or throws with a sentence that says who has it. Returns the way to let go. */
export async function claimFolder(folder: StateFolder, dir: string): Promise<() => void> {
  const socket = path.join(folder.path, 'run.sock')
  if (await answers(socket)) {
    throw new LateenError(
      'MESH_RUNS_ALREADY',
      `The mesh of ${dir} runs already (state folder ${folder.path}). Change it with 'npx lateen apply -f FILE', stop it with Ctrl-C where it runs, ` +
        `or run a second one beside it with --state FOLDER.`,
    )
  }
  removeDead(socket)
  const server = createServer((connection) => connection.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  server.unref()
  return () => void server.close()
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', () => resolve(false))
  })
}

function removeDead(socket: string): void {
  try {
    unlinkSync(socket)
  } catch {
    // Not there: nothing to remove. A real problem shows when listening.
  }
}
