// Asks V8 for a full collection: what a container near its limit of memory needs more than the tens of milliseconds that it costs.
// Used in the main thread and in data threads, each for its own heap. Node offers no way but a flag, which may be set at any time.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: (() => void) | undefined

export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    const found: unknown = runInNewContext('gc')
    collect = typeof found === 'function' ? () => void found() : () => undefined
  }
  collect()
}
