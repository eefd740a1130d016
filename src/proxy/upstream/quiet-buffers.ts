// Which connections may keep their large buffer while nothing is under way: the few of the process that were busy last. Without it every
// request of megabytes begins with buffers of its own, which V8 is in no hurry to collect (measured: 112 MB at the peak for 79, and a tenth
// more processor time); with one buffer for every quiet connection, thousands of them would hold a quarter of a megabyte each.
// Used by the readers of connections. Invariant: at most `KEPT` quiet connections hold a large buffer.

const KEPT = 8

export interface LargeReader {
  /** Its buffer is given back with the next read. */
  shrink(): void
}

/** Oldest first. */
const quiet: LargeReader[] = []

export function keepWhileQuiet(reader: LargeReader): void {
  if (quiet.includes(reader)) return
  quiet.push(reader)
  if (quiet.length > KEPT) quiet.shift()?.shrink()
}

/** The connection is closed. */
export function forgetQuiet(reader: LargeReader): void {
  const at = quiet.indexOf(reader)
  if (at !== -1) quiet.splice(at, 1)
}
