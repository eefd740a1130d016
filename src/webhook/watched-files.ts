// Files of a mounted Secret or ConfigMap, looked at again and again: Kubernetes swaps them by one symbolic link, which no file event tells
// reliably. Invariant: what is handed on is of one generation (the same before and after reading), and a failure changes nothing.
import { readFileSync } from 'node:fs'
import type { Clock, Timer } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'

export interface WatchedFilesOptions {
  readonly paths: readonly string[]
  readonly clock: Clock
  /** Kubernetes itself needs up to a minute to bring a change to a node. */
  readonly intervalMs?: number
  /** With the texts in the order of the paths, when they differ from the last ones; it says what is wrong with them. */
  readonly onChange: (texts: readonly string[]) => Result<unknown>
  readonly onFailure: (message: string) => void
}

export interface WatchedFiles {
  /** Looks at once. */
  look(): void
  stop(): void
}

const INTERVAL_MS = 5_000

/** Reads for the first time, too: what is wrong then is the answer. */
export function watchFiles(options: WatchedFilesOptions): Result<WatchedFiles> {
  const { paths, clock, intervalMs = INTERVAL_MS, onChange, onFailure } = options
  const first = readGeneration(paths)
  if (!first.ok) return first
  const accepted = onChange(first.value)
  if (!accepted.ok) return accepted
  let last = JSON.stringify(first.value)
  let failure = ''
  let timer: Timer | undefined
  const look = (): void => {
    const read = readGeneration(paths)
    const seen = read.ok ? JSON.stringify(read.value) : last
    const taken = read.ok && seen !== last ? onChange(read.value) : read
    // A bad change is said once, not at every look.
    last = seen
    const message = taken.ok ? '' : taken.problems.map(({ path, message: text }) => (path === '' ? text : `${path}: ${text}`)).join('; ')
    if (message !== '' && message !== failure) onFailure(message)
    failure = message
  }
  const again = (): void => {
    timer = clock.after(
      intervalMs,
      () => {
        look()
        again()
      },
      { background: true },
    )
  }
  again()
  return succeed({ look, stop: () => timer?.cancel() })
}

function readGeneration(paths: readonly string[]): Result<readonly string[]> {
  try {
    for (let tried = 0; tried < 3; tried++) {
      const [texts, again] = [read(paths), read(paths)]
      if (JSON.stringify(texts) === JSON.stringify(again)) return succeed(texts)
    }
    return fail('', `${paths.join(', ')}: being written to`)
  } catch (error) {
    return fail('', `cannot be read: ${errorMessage(error)}`)
  }
}

function read(paths: readonly string[]): readonly string[] {
  return paths.map((path) => readFileSync(path, 'utf8'))
}
