// HPACK's Huffman code (RFC 7541 appendix B). Only the code lengths are written down: the code is canonical, so they give the codes.
// Decoding walks a state machine four bits at a time: at most one symbol per step, 4,096 entries in all.
// Invariant: padding is fewer than eight one-bits (5.2); anything else, EOS included, is a compression error.

/** Bits per symbol 0..255 and, last, EOS. */
// biome-ignore format: a table of sixteen per line can be checked against the RFC
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]

const EOS = 256
const CODES = canonicalCodes(LENGTHS)

/** Entry: bits 0-8 next state, bit 9 a symbol came out, bit 10 dead end, bits 16-23 the symbol. */
const EMITS = 1 << 9
const FAILS = 1 << 10
const { steps: STEPS, accepting: ACCEPTING } = buildStateMachine()

function canonicalCodes(lengths: readonly number[]): Uint32Array {
  const codes = new Uint32Array(lengths.length)
  const order = lengths.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length || a.symbol - b.symbol)
  let code = 0
  let previous = order[0]?.length ?? 0
  for (const { length, symbol } of order) {
    code = (code << (length - previous)) >>> 0
    codes[symbol] = code++
    previous = length
  }
  return codes
}

/** The code tree as two arrays: a child is another node (>= 0), a leaf (-2 - symbol), or nothing yet (-1). */
function buildTree(): { readonly children: Int32Array; readonly nodes: number } {
  const children = new Int32Array(2 * LENGTHS.length).fill(-1)
  let nodes = 1
  for (let symbol = 0; symbol <= EOS; symbol++) {
    const length = LENGTHS[symbol] ?? 0
    let node = 0
    for (let bit = length - 1; bit > 0; bit--) {
      const slot = 2 * node + (((CODES[symbol] ?? 0) >>> bit) & 1)
      if (children[slot] === -1) children[slot] = nodes++
      node = children[slot] ?? 0
    }
    children[2 * node + ((CODES[symbol] ?? 0) & 1)] = -2 - symbol
  }
  return { children, nodes }
}

function buildStateMachine(): { readonly steps: Uint32Array; readonly accepting: Uint8Array } {
  const { children, nodes } = buildTree()
  const steps = new Uint32Array(nodes * 16)
  for (let state = 0; state < nodes; state++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[state * 16 + nibble] = step(children, state, nibble)
  }
  const accepting = new Uint8Array(nodes)
  // Padding is the beginning of EOS: up to seven one-bits from the root.
  for (let ones = 0, node = 0; ones <= 7 && node >= 0; ones++) {
    accepting[node] = 1
    node = children[2 * node + 1] ?? -1
  }
  return { steps, accepting }
}

function step(children: Int32Array, state: number, nibble: number): number {
  let node = state
  let emitted = 0
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[2 * node + ((nibble >>> bit) & 1)] ?? -1
    if (child >= 0) {
      node = child
    } else {
      const symbol = -2 - child
      if (symbol === EOS) return FAILS
      emitted = EMITS | (symbol << 16)
      node = 0
    }
  }
  return emitted | node
}

let scratch = Buffer.allocUnsafe(4096)

/** Decodes `bytes[start, end)` as latin1 text; undefined when the code or its padding is invalid. */
export function decodeHuffman(bytes: Buffer, start: number, end: number): string | undefined {
  // The shortest code has five bits: eight input bits give at most 1.6 symbols.
  const most = Math.ceil(((end - start) * 8) / 5)
  if (scratch.length < most) scratch = Buffer.allocUnsafe(2 * most)
  let state = 0
  let length = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    const high = STEPS[state * 16 + (byte >>> 4)] ?? FAILS
    if ((high & EMITS) !== 0) scratch[length++] = high >>> 16
    const low = STEPS[(high & 0x1ff) * 16 + (byte & 15)] ?? FAILS
    if ((low & EMITS) !== 0) scratch[length++] = low >>> 16
    if (((high | low) & FAILS) !== 0) return undefined
    state = low & 0x1ff
  }
  return ACCEPTING[state] === 1 ? scratch.toString('latin1', 0, length) : undefined
}

/** Bytes that `text` takes when coded. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let at = 0; at < text.length; at++) bits += LENGTHS[text.charCodeAt(at) & 0xff] ?? 0
  return (bits + 7) >>> 3
}

/** Writes `text` at `offset`; the caller has made room for `huffmanLength(text)` bytes. Returns the offset after it. */
export function encodeHuffman(text: string, target: Buffer, offset: number): number {
  let at = offset
  let current = 0
  let free = 8
  for (let index = 0; index < text.length; index++) {
    const symbol = text.charCodeAt(index) & 0xff
    const code = CODES[symbol] ?? 0
    let left = LENGTHS[symbol] ?? 0
    while (left > 0) {
      const take = Math.min(left, free)
      current = (current << take) | ((code >>> (left - take)) & ((1 << take) - 1))
      left -= take
      free -= take
      if (free === 0) {
        target[at++] = current
        current = 0
        free = 8
      }
    }
  }
  if (free < 8) target[at++] = (current << free) | ((1 << free) - 1)
  return at
}
