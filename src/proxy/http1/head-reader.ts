// Collects the bytes of a head until its empty line has come, then hands out one string. Each direction of each connection has one.
// The usual head arrives in one chunk and is converted once, without a copy; a head in pieces is collected in a growing buffer.
// Invariant: wherever a message is cut into chunks, the same head (or the same refusal) comes out.

export type HeadState = 'incomplete' | 'complete' | 'too-large' | 'malformed'

const CR = 0x0d
const LF = 0x0a
const TAB = 0x09
const FIRST_SIZE = 1024

export class HeadReader {
  /** After 'complete': the lines of the head, each with its CRLF, without the empty line. */
  text = ''
  /** After 'complete': where the head ends in the chunk. */
  bodyStart = 0

  readonly #maxBytes: number
  #held: Buffer | undefined
  #heldLength = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A part of a head has arrived, its rest has not. */
  get started(): boolean {
    return this.#heldLength > 0
  }

  read(chunk: Buffer, from: number): HeadState {
    if (this.#heldLength > 0) return this.#readHeld(chunk, from)
    // RFC 9112 2.2: empty lines before a start line are ignored.
    let start = from
    while (chunk[start] === CR && chunk[start + 1] === LF) start += 2
    if (start === chunk.length) return 'incomplete'
    const end = chunk.indexOf('\r\n\r\n', start, 'latin1')
    if (end === -1) return this.#hold(chunk, start)
    if (end + 4 - start > this.#maxBytes) return 'too-large'
    this.text = chunk.toString('latin1', start, end + 2)
    this.bodyStart = end + 4
    return 'complete'
  }

  #readHeld(chunk: Buffer, from: number): HeadState {
    const held = this.#held
    const before = this.#heldLength
    if (held === undefined) return 'malformed'
    // An empty line cut in two: its CR was held, its LF comes now.
    if (before === 1 && held[0] === CR && chunk[from] === LF) {
      this.#heldLength = 0
      return this.read(chunk, from + 1)
    }
    const end = endOfHead(held, before, chunk, from)
    if (end === -1) return this.#hold(chunk, from)
    const length = before + end - from
    if (length > this.#maxBytes) return 'too-large'
    this.text = held.toString('latin1', 0, Math.min(before, length - 2)) + chunk.toString('latin1', from, Math.max(from, end - 2))
    this.bodyStart = end
    this.#held = undefined
    this.#heldLength = 0
    return 'complete'
  }

  #hold(chunk: Buffer, from: number): HeadState {
    const before = this.#heldLength
    const needed = before + chunk.length - from
    if (needed > this.#maxBytes) return 'too-large'
    let held = this.#held
    if (held === undefined || held.length < needed) {
      const grown = Buffer.allocUnsafe(Math.max(FIRST_SIZE, needed * 2))
      held?.copy(grown, 0, 0, before)
      this.#held = held = grown
    }
    chunk.copy(held, before, from)
    this.#heldLength = needed
    return isPlausible(held, before, needed) ? 'incomplete' : 'malformed'
  }
}

/** Where in the chunk the head ends whose beginning is held, or -1. The empty line may straddle the two. */
function endOfHead(held: Buffer, heldLength: number, chunk: Buffer, from: number): number {
  const overlap = Math.min(3, heldLength)
  const seam = held.toString('latin1', heldLength - overlap, heldLength) + chunk.toString('latin1', from, Math.min(from + 3, chunk.length))
  const inSeam = seam.indexOf('\r\n\r\n')
  if (inSeam !== -1) return from + inSeam + 4 - overlap
  const inChunk = chunk.indexOf('\r\n\r\n', from, 'latin1')
  return inChunk === -1 ? -1 : inChunk + 4
}

/** Whether these octets can be a part of a head: refuses TLS, binary protocols and bare LF at once instead of waiting for more. */
function isPlausible(held: Buffer, from: number, to: number): boolean {
  for (let index = from; index < to; index++) {
    const code = held[index] ?? 0
    if (code >= 0x20 && code !== 0x7f) continue
    if (code === LF) {
      if (index === 0 || held[index - 1] !== CR) return false
    } else if (code !== CR && code !== TAB) return false
  }
  return true
}
