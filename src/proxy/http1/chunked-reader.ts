// Chunked transfer coding (RFC 9112 7.1), verified octet by octet and passed on as it stands, so that a body crosses the proxy without
// being taken apart. Cut out: chunk extensions (7.1.1: a recipient ignores those it does not know) and trailers that would be read as
// part of the head (6.5.1 of RFC 9110). A size line or last chunk that is not complete yet is held back.
// Invariant: the last chunk is passed on only after the whole message has been found sound.
import { hexValue, isFieldValue } from './characters.ts'
import { FIELD } from './fields.ts'
import { MessageHead } from './head.ts'
import type { Outflow } from './outflow.ts'
import { parseFields } from './parse-head.ts'

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b
const ZERO = 0x30
const TAB = 0x09
const SPACE = 0x20
/** 13 digits are 2^52: beyond any real chunk, below where doubles lose integers. */
const MAX_SIZE_DIGITS = 13
const MAX_EXTENSION_BYTES = 4096
const MAX_TRAILER_BYTES = 16 * 1024
const MAX_TRAILER_FIELDS = 64

type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailer'

export class ChunkedReader {
  done = false
  problem = false
  payloadBytes = 0
  /** The lines that may travel, each with its line end; complete with `done`. */
  trailers = ''

  readonly #out: Outflow
  #payloadOnly = false
  #state: State = 'size'
  #size = 0
  #digits = 0
  #extensionBytes = 0
  /** Where the present size line began in this chunk; -1: in an earlier one. */
  #lineAt = 0
  /** From here to the reading position the octets are sound and not yet passed on. */
  #cleanFrom = 0
  #trailer = ''

  constructor(out: Outflow) {
    this.#out = out
  }

  begin(payloadOnly: boolean): void {
    this.done = false
    this.problem = false
    this.payloadBytes = 0
    this.#payloadOnly = payloadOnly
    this.#trailer = ''
    this.trailers = ''
    this.#expectSize(0)
  }

  /** Reads on; returns where the message's octets end in this chunk. */
  read(chunk: Buffer, from: number): number {
    let at = from
    this.#cleanFrom = from
    this.#lineAt = this.#state === 'size' && this.#digits === 0 ? from : -1
    while (at < chunk.length && !this.done) {
      if (this.#state === 'data') at = this.#readData(chunk, at)
      else if (this.#state === 'trailer') at = this.#readTrailer(chunk, at)
      else if (this.#endsHere(chunk, at)) at = this.#finishRaw(chunk, at)
      else if (this.#step(chunk, at)) at++
      else {
        this.problem = true
        return at
      }
      if (this.problem) return at
    }
    if (!this.done) this.#passSound(chunk, at)
    return at
  }

  #expectSize(at: number): void {
    this.#state = 'size'
    this.#size = 0
    this.#digits = 0
    this.#extensionBytes = 0
    this.#lineAt = at
  }

  #readData(chunk: Buffer, at: number): number {
    const taken = Math.min(chunk.length - at, this.#size)
    this.#size -= taken
    this.payloadBytes += taken
    if (this.#payloadOnly) this.#out.pass(chunk, at, at + taken)
    if (this.#size === 0) this.#state = 'data-cr'
    return at + taken
  }

  /** The usual end, '0' CRLF CRLF in one piece, stays where it is. */
  #endsHere(chunk: Buffer, at: number): boolean {
    return (
      this.#state === 'size' &&
      this.#digits === 0 &&
      chunk[at] === ZERO &&
      chunk[at + 1] === CR &&
      chunk[at + 2] === LF &&
      chunk[at + 3] === CR &&
      chunk[at + 4] === LF
    )
  }

  #finishRaw(chunk: Buffer, at: number): number {
    this.done = true
    if (!this.#payloadOnly) this.#out.pass(chunk, this.#cleanFrom, at + 5)
    return at + 5
  }

  /** One octet of framing. False: not chunked coding. */
  #step(chunk: Buffer, at: number): boolean {
    const code = chunk[at] ?? 0
    switch (this.#state) {
      case 'size':
        return this.#stepSize(code)
      case 'extension':
        // Extensions are cut out, but their octets are checked: no bare line break, no control.
        if (code === CR) this.#state = 'size-lf'
        else if (!isFieldValue(code) || ++this.#extensionBytes > MAX_EXTENSION_BYTES) return false
        return true
      case 'size-lf':
        if (code === LF) this.#finishSizeLine(chunk, at + 1)
        return code === LF
      case 'data-cr':
        this.#state = 'data-lf'
        return code === CR
      default:
        this.#expectSize(at + 1)
        return code === LF
    }
  }

  #stepSize(code: number): boolean {
    const digit = hexValue(code)
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit
      return ++this.#digits <= MAX_SIZE_DIGITS
    }
    if (this.#digits === 0) return false
    if (code === CR) this.#state = 'size-lf'
    // RFC 9112 7.1.1 allows "bad whitespace" before an extension; whitespace alone is refused, as parsers disagree on it.
    else if (code === SEMICOLON || code === SPACE || code === TAB) {
      this.#state = 'extension'
      this.#extensionBytes = 1
      return code === SEMICOLON
    } else return false
    return true
  }

  #finishSizeLine(chunk: Buffer, next: number): void {
    const asItStands = this.#lineAt !== -1 && this.#extensionBytes === 0
    if (this.#size > 0) {
      this.#state = 'data'
      if (asItStands) return
      this.#passUntilLine(chunk)
      this.#emit(chunk, `${this.#size.toString(16)}\r\n`)
    } else {
      this.#state = 'trailer'
      this.#passUntilLine(chunk)
    }
    this.#cleanFrom = next
  }

  #readTrailer(chunk: Buffer, at: number): number {
    const lineFeed = chunk.indexOf(LF, at)
    const end = lineFeed === -1 ? chunk.length : lineFeed + 1
    this.#trailer += chunk.toString('latin1', at, end)
    this.#cleanFrom = end
    if (this.#trailer.length > MAX_TRAILER_BYTES) this.problem = true
    else if (this.#trailer === '\r\n' || this.#trailer.endsWith('\r\n\r\n')) this.#finishTrailers(chunk)
    return end
  }

  #finishTrailers(chunk: Buffer): void {
    const lines = this.#trailer.slice(0, -2)
    const head = new MessageHead()
    head.reset(lines)
    if (parseFields(head, lines, 0, MAX_TRAILER_FIELDS) !== undefined) {
      this.problem = true
      return
    }
    let kept = ''
    for (let index = 0; index < head.fieldCount; index++) {
      if (head.kindAt(index) === FIELD.ordinary && !FORBIDDEN_TRAILERS.has(head.nameAt(index).toLowerCase())) {
        kept += lines.slice(head.lineStart(index), head.lineStart(index + 1))
      }
    }
    this.done = true
    this.trailers = kept
    this.#emit(chunk, `0\r\n${kept}\r\n`)
  }

  #emit(chunk: Buffer, text: string): void {
    if (!this.#payloadOnly) this.#out.add(chunk, Buffer.from(text, 'latin1'))
  }

  /** What is sound before the size line. */
  #passUntilLine(chunk: Buffer): void {
    if (this.#lineAt !== -1 && !this.#payloadOnly) this.#out.pass(chunk, this.#cleanFrom, this.#lineAt)
  }

  /** The chunk is exhausted: hold back an unfinished size line, pass the rest. */
  #passSound(chunk: Buffer, at: number): void {
    if (this.#payloadOnly || this.#state === 'trailer') return
    const inLine = this.#state === 'size' || this.#state === 'extension' || this.#state === 'size-lf'
    if (inLine) this.#passUntilLine(chunk)
    else this.#out.pass(chunk, this.#cleanFrom, at)
  }
}

/** RFC 9110 6.5.1: nothing that frames, routes, authenticates or modifies the request. The fields that we know are refused by kind. */
export const FORBIDDEN_TRAILERS: ReadonlySet<string> = new Set([
  'authorization',
  'cache-control',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'set-cookie',
  'www-authenticate',
])
