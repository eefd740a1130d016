// Frames of a WebSocket (RFC 6455, section 5), as a client writes and reads them. Pure but for the mask's chance. Used by port-forward.ts.
// Invariant: what a client sends is masked (5.3), what a server sends is not (5.1); a frame larger than the bound ends the connection.
import { randomBytes } from 'node:crypto'
import { fail, type Result, succeed } from '../base/result.ts'

export interface Frame {
  readonly opcode: number
  readonly isLast: boolean
  readonly payload: Buffer
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const
const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024

/** One message in one frame. */
export function writeFrame(opcode: number, payload: Buffer): Buffer {
  const mask = randomBytes(4)
  const masked = Buffer.from(payload)
  for (let at = 0; at < masked.length; at++) masked[at] = (masked[at] ?? 0) ^ (mask[at % 4] ?? 0)
  return Buffer.concat([headOf(0x80 | opcode, 0x80, payload.length), mask, masked])
}

function headOf(first: number, maskBit: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, maskBit | length])
  const head = Buffer.alloc(length < 65_536 ? 4 : 10)
  head[0] = first
  if (length < 65_536) {
    head[1] = maskBit | 126
    head.writeUInt16BE(length, 2)
  } else {
    head[1] = maskBit | 127
    head.writeBigUInt64BE(BigInt(length), 2)
  }
  return head
}

/** Takes bytes as they come, gives the frames that are complete. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  read(bytes: Buffer): Result<readonly Frame[]> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    for (;;) {
      const head = readHead(this.#rest)
      if (head === undefined) return succeed(frames)
      if (head.isMasked) return fail('frame', 'a server must not mask what it sends')
      if (head.length > MAX_PAYLOAD_BYTES) return fail('frame', `has ${head.length} bytes, which is more than is read`)
      const end = head.bytes + head.length
      if (this.#rest.length < end) return succeed(frames)
      frames.push({ opcode: head.opcode, isLast: head.isLast, payload: this.#rest.subarray(head.bytes, end) })
      this.#rest = this.#rest.subarray(end)
    }
  }
}

interface Head {
  readonly opcode: number
  readonly isLast: boolean
  readonly isMasked: boolean
  readonly length: number
  /** Of the head itself. */
  readonly bytes: number
}

/** Undefined: it is not complete yet. */
function readHead(buffer: Buffer): Head | undefined {
  const [first, second] = buffer
  if (first === undefined || second === undefined) return undefined
  const short = second & 0x7f
  const bytes = short < 126 ? 2 : short === 126 ? 4 : 10
  if (buffer.length < bytes) return undefined
  const length = short < 126 ? short : short === 126 ? buffer.readUInt16BE(2) : Number(buffer.readBigUInt64BE(2))
  return { opcode: first & 0x0f, isLast: (first & 0x80) !== 0, isMasked: (second & 0x80) !== 0, length, bytes }
}
