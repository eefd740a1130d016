// HTTP/2 frames by hand (RFC 9113 4.1), for peers that do what no library would.

export const FRAME = { data: 0, headers: 1, reset: 3, settings: 4, goaway: 7, continuation: 9 } as const
export const END_STREAM = 0x1
export const END_HEADERS = 0x4
export const ACK = 0x1

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly streamId: number
  readonly payload: Buffer
}

export function frame(type: number, flags: number, streamId: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(streamId, 5)
  return Buffer.concat([header, payload])
}

export const CONNECTION_PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
/** What a client begins with: no setting of its own. */
export const PREFACE: Buffer = Buffer.concat([CONNECTION_PREFACE, frame(FRAME.settings, 0, 0)])

/** A string of HPACK, not Huffman coded (RFC 7541 5.2); up to 126 octets. */
export function literal(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')])
}

/** The header block of `method` http://h/path by the static table (RFC 7541 A), authority and path as literals. */
export function requestBlock(path: string, method: 'GET' | 'POST' = 'GET'): Buffer {
  return Buffer.concat([Buffer.from([method === 'GET' ? 0x82 : 0x83, 0x86, 0x04]), literal(path), Buffer.from([0x01]), literal('h')])
}

/** The whole frames of what came, in order; what is not whole is left out. */
export function framesOf(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = []
  let at = 0
  while (at + 9 <= bytes.length) {
    const end = at + 9 + bytes.readUIntBE(at, 3)
    if (end > bytes.length) break
    const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5)
    frames.push({ type, flags, streamId: bytes.readUInt32BE(at + 5) & 0x7fffffff, payload: bytes.subarray(at + 9, end) })
    at = end
  }
  return { frames, rest: bytes.subarray(at) }
}

/** The error code of the last GOAWAY. */
export function goawayCode(bytes: Buffer): number | undefined {
  return framesOf(bytes)
    .frames.filter(({ type }) => type === FRAME.goaway)
    .at(-1)
    ?.payload.readUInt32BE(4)
}
