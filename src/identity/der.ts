// Writes ASN.1 in DER (X.690), as far as certificates and certificate requests need it. Used by csr.ts and x509.ts.
// Invariant: each function returns one complete element, so that nesting calls is nesting elements.

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** One element: tag, definite length in its shortest form (X.690 10.1), contents joined. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of contents) length += part.length
  // From Node's pool and filled wholly: issuing a certificate makes some forty of these.
  const made = Buffer.allocUnsafe(headerLength(length) + length)
  let at = writeHeader(made, tag, length)
  for (const part of contents) {
    made.set(part, at)
    at += part.length
  }
  return made
}

function headerLength(length: number): number {
  return length < 0x80 ? 2 : length < 0x100 ? 3 : length < 0x1_0000 ? 4 : 5
}

function writeHeader(into: Buffer, tag: number, length: number): number {
  const size = headerLength(length)
  into[0] = tag
  if (size === 2) into[1] = length
  else {
    into[1] = 0x80 + size - 2
    into.writeUIntBE(length, 2, size - 2)
  }
  return size
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer => element(TAG.sequence, ...contents)
export const set = (...contents: readonly Uint8Array[]): Buffer => element(TAG.set, ...contents)
export const octetString = (content: Uint8Array): Buffer => element(TAG.octetString, content)
export const utf8String = (text: string): Buffer => element(TAG.utf8String, Buffer.from(text, 'utf8'))
export const boolean = (value: boolean): Buffer => element(TAG.boolean, Buffer.from([value ? 0xff : 0]))

/** Context-specific and constructed: `[n]` around whole elements. */
export const explicit = (number: number, ...contents: readonly Uint8Array[]): Buffer => element(0xa0 | number, ...contents)
/** Context-specific and primitive: `[n]` in place of a primitive's own tag. */
export const implicit = (number: number, content: Uint8Array): Buffer => element(0x80 | number, content)

/** A non-negative integer from big-endian bytes: shortest form, a zero byte in front where the top bit would mean 'negative'. */
export function integer(bytes: Uint8Array): Buffer {
  let start = 0
  while (start < bytes.length - 1 && bytes[start] === 0) start++
  const content = bytes.length === 0 ? Buffer.from([0]) : bytes.subarray(start)
  return (content[0] ?? 0) >= 0x80 ? element(TAG.integer, Buffer.from([0]), content) : element(TAG.integer, content)
}

export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return element(TAG.bitString, Buffer.from([unusedBits]), content)
}

export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return element(TAG.oid, Buffer.from(bytes))
}

/** UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5); whole seconds. */
export function time(atMs: number): Buffer {
  const iso = new Date(atMs).toISOString()
  const late = Number(iso.slice(0, 4)) >= 2050
  const digits = `${iso.slice(late ? 0 : 2, 4)}${iso.slice(5, 7)}${iso.slice(8, 10)}${iso.slice(11, 13)}${iso.slice(14, 16)}${iso.slice(17, 19)}Z`
  return element(late ? TAG.generalizedTime : TAG.utcTime, Buffer.from(digits, 'latin1'))
}
