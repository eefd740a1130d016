// Starts the compile thread: a worker that runs bin/compile-thread. Given to compile-client.ts by start.ts.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import type { CompileThread, StartCompileThread } from './compile-client.ts'
import type { CompileThreadData, FromCompileThread } from './compile-protocol.ts'

export function compileWorkers(data: CompileThreadData): StartCompileThread {
  return ({ message, died }): CompileThread => {
    const worker = new Worker(threadProgram(), { workerData: data, name: 'lateen-compile' })
    let ended = false
    const end = (why: string): void => {
      if (!ended) died(why)
      ended = true
    }
    worker.on('message', (from: FromCompileThread) => message(from))
    worker.on('error', (error) => end(error.message))
    worker.on('exit', (code) => end(`exit ${code}`))
    return {
      post: (to) => worker.postMessage(to),
      async stop() {
        ended = true
        await worker.terminate()
      },
    }
  }
}

/** Beside the bundle's chunks in dist, or the source. */
function threadProgram(): string {
  const built = path.join(import.meta.dirname, '..', 'compile-thread.js')
  return existsSync(built) ? built : path.join(import.meta.dirname, '..', 'compile-thread.ts')
}
