// Reads ASN.1 in DER, strictly: definite lengths in their shortest form, low tags only, nothing after the end (X.690 10.1).
// Used where bytes come from the network (csr.ts) and for certificate extensions (x509.ts).
// Throws DerError inside this folder; the parsers at its edge turn that into a Problem. Nothing here recurses, so depth costs nothing.
import { TAG } from './der.ts'

export class DerError extends Error {}

export interface Element {
  readonly tag: number
  readonly content: Buffer
  /** Tag and length included: what a signature covers. */
  readonly whole: Buffer
}

/** Takes the elements of one constructed value, one by one. */
export class DerReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The tag that comes next, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** The next element, whatever it is. */
  any(what: string): Element {
    const start = this.#at
    const tag = this.#byte(what)
    if ((tag & 0x1f) === 0x1f) throw new DerError(`${what}: tags above 30 do not occur here`)
    const length = this.#length(what)
    const from = this.#at
    if (length > this.#bytes.length - from) throw new DerError(`${what}: ends before its ${length} bytes`)
    this.#at = from + length
    return { tag, content: this.#bytes.subarray(from, this.#at), whole: this.#bytes.subarray(start, this.#at) }
  }

  /** The next element, which must have this tag. */
  expect(tag: number, what: string): Element {
    const found = this.any(what)
    if (found.tag !== tag) throw new DerError(`${what}: expected tag 0x${tag.toString(16)}, found 0x${found.tag.toString(16)}`)
    return found
  }

  enter(tag: number, what: string): DerReader {
    return new DerReader(this.expect(tag, what).content)
  }

  finish(what: string): void {
    if (!this.done) throw new DerError(`${what}: ${this.#bytes.length - this.#at} bytes too many`)
  }

  #byte(what: string): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new DerError(`${what}: missing`)
    this.#at++
    return byte
  }

  #length(what: string): number {
    const first = this.#byte(what)
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > 3) throw new DerError(`${what}: length is not definite or larger than any request`)
    let length = 0
    for (let index = 0; index < count; index++) length = length * 256 + this.#byte(what)
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError(`${what}: length is not in its shortest form`)
    return length
  }
}

/** Reads exactly one element of this tag from `bytes` and nothing after it. */
export function readOnly(bytes: Buffer, tag: number, what: string): Element {
  const reader = new DerReader(bytes)
  const found = reader.expect(tag, what)
  reader.finish(what)
  return found
}

export function readBoolean(content: Buffer, what: string): boolean {
  // DER knows 0x00 and 0xff only (X.690 11.1).
  if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) throw new DerError(`${what}: is not a DER boolean`)
  return content[0] === 0xff
}

/** The contents of a BIT STRING that must hold whole bytes: keys and signatures do. */
export function readBitString(reader: DerReader, what: string): Buffer {
  const { content } = reader.expect(TAG.bitString, what)
  if (content[0] !== 0) throw new DerError(`${what}: does not hold whole bytes`)
  return content.subarray(1)
}
