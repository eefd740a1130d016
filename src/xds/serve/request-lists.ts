// Finds the long lists in a message without decoding it: the entries of a repeated field or map, which every encoder writes one after the
// other. Used by read-request.ts. Wire format: protobuf.dev/programming-guides/encoding.
// Invariant: the lists and the rest together are the message; anything unusual is no list, and the codec has its say.

export interface List {
  /** By itself a message with that field alone. */
  readonly bytes: Buffer
  /** Where its entries begin. */
  readonly starts: readonly number[]
}

export interface Lists {
  readonly found: ReadonlyMap<number, List>
  /** The message without them. */
  readonly rest: Buffer
}

const LENGTH_DELIMITED = 2

/** Undefined: not understood at a glance, or a list is in pieces. @param fields numbers below 16. */
export function listsIn(bytes: Buffer, fields: readonly number[], minBytes: number): Lists | undefined {
  const runs = new Map<number, { readonly start: number; end: number; readonly starts: number[] }>()
  for (let at = 0; at < bytes.length; ) {
    const start = at
    const tag = bytes[at++] ?? 0
    if (tag >= 0x80 || (tag & 7) !== LENGTH_DELIMITED) return undefined
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 21) return undefined
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += length
    if (at > bytes.length) return undefined
    const field = tag >>> 3
    if (!fields.includes(field)) continue
    const run = runs.get(field) ?? { start, end: start, starts: [] }
    if (run.end !== start) return undefined
    run.starts.push(start - run.start)
    run.end = at
    runs.set(field, run)
  }
  const long = [...runs].filter(([, { start, end }]) => end - start >= minBytes).sort(([, a], [, b]) => a.start - b.start)
  const found = new Map(long.map(([field, { start, end, starts }]) => [field, { bytes: bytes.subarray(start, end), starts }]))
  const rest: Buffer[] = []
  let at = 0
  for (const [, { start, end }] of long) {
    rest.push(bytes.subarray(at, start))
    at = end
  }
  return { found, rest: Buffer.concat([...rest, bytes.subarray(at)]) }
}
