import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { HpackDecoder } from './hpack-decoder.ts'
import { HpackEncoder } from './hpack-encoder.ts'
import { decodeHuffman, encodeHuffman, huffmanLength } from './hpack-huffman.ts'

function decoded(decoder: HpackDecoder, hex: string): readonly string[] {
  const result = decoder.decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  assert.ok(result.ok, result.ok ? '' : result.reason)
  return result.fields
}

function problem(hex: string): string {
  const result = new HpackDecoder(1000).decode(Buffer.from(hex, 'hex'))
  return result.ok ? 'none' : result.reason
}

const GET = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com']

test('requests of RFC 7541 C.3 decode, plain literals', () => {
  const decoder = new HpackDecoder(10_000)
  assert.deepEqual(decoded(decoder, '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d'), GET)
  assert.equal(decoder.tableSize, 57)
  assert.deepEqual(decoded(decoder, '8286 84be 5808 6e6f 2d63 6163 6865'), [...GET, 'cache-control', 'no-cache'])
  const third = decoded(decoder, '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65')
  assert.deepEqual(third.slice(-2), ['custom-key', 'custom-value'])
  assert.equal(decoder.tableSize, 164)
})

test('requests of RFC 7541 C.4 decode, Huffman literals', () => {
  const decoder = new HpackDecoder(10_000)
  assert.deepEqual(decoded(decoder, '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff'), GET)
  assert.deepEqual(decoded(decoder, '8286 84be 5886 a8eb 1064 9cbf'), [...GET, 'cache-control', 'no-cache'])
  const third = decoded(decoder, '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')
  assert.deepEqual(third.slice(-2), ['custom-key', 'custom-value'])
})

test('responses of RFC 7541 C.6 decode with evictions from a table of 256', () => {
  const decoder = new HpackDecoder(10_000, 256)
  const first = decoded(
    decoder,
    '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
  )
  const date = ['date', 'Mon, 21 Oct 2013 20:13:21 GMT']
  const location = ['location', 'https://www.example.com']
  assert.deepEqual(first, [':status', '302', 'cache-control', 'private', ...date, ...location])
  assert.equal(decoder.tableSize, 222)
  assert.deepEqual(decoded(decoder, '4883 640e ffc1 c0bf'), [':status', '307', 'cache-control', 'private', ...date, ...location])
  const third = decoded(
    decoder,
    '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
  )
  assert.deepEqual(third.slice(-4), ['content-encoding', 'gzip', 'set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'])
  assert.equal(decoder.tableSize, 215)
})

test('the encoder gives the bytes of RFC 7541 C.4.1', () => {
  assert.equal(new HpackEncoder().encode(GET).toString('hex'), '828684418cf1e3c2e5f23a6ba0ab90f4ff')
})

test('what is encoded decodes to the same fields, block after block, over table resizes', () => {
  const random = seededRandom(7)
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(1_000_000)
  const text = (most: number): string =>
    Array.from({ length: Math.floor(random() * most) }, () => String.fromCharCode(Math.floor(random() * 256))).join('')
  for (let block = 0; block < 300; block++) {
    if (block % 17 === 5) encoder.setMaxTableSize(Math.floor(random() * 5000))
    const fields: string[] = []
    for (let count = Math.floor(random() * 12); count > 0; count--) {
      const name =
        random() < 0.5 ? `x-${Math.floor(random() * 20)}` : (['cookie', 'accept', ':path', 'date'][Math.floor(random() * 4)] ?? '')
      fields.push(name, random() < 0.5 ? `v${Math.floor(random() * 5)}` : text(random() < 0.1 ? 5000 : 40))
    }
    const result = decoder.decode(encoder.encode(fields))
    assert.ok(result.ok, result.ok ? '' : result.reason)
    assert.deepEqual(result.fields, fields)
  }
})

test('every octet survives the Huffman code', () => {
  for (let symbol = 0; symbol < 256; symbol++) {
    const text = String.fromCharCode(symbol).repeat(3)
    const coded = Buffer.alloc(huffmanLength(text))
    assert.equal(encodeHuffman(text, coded, 0), coded.length)
    assert.equal(decodeHuffman(coded, 0, coded.length), text)
  }
})

test('wrong padding and EOS are refused', () => {
  assert.equal(decodeHuffman(Buffer.from([0x1f]), 0, 1), 'a') // 00011 and three one-bits
  assert.equal(decodeHuffman(Buffer.from([0x18]), 0, 1), undefined) // padded with zeroes
  assert.equal(decodeHuffman(Buffer.from([0x1f, 0xff]), 0, 2), undefined) // more than seven bits of padding
  assert.equal(decodeHuffman(Buffer.from([0xff, 0xff, 0xff, 0xff]), 0, 4), undefined) // EOS
})

test('malformed blocks are named, not thrown', () => {
  assert.match(problem('80'), /index 0/)
  assert.match(problem('be'), /beyond the table/)
  assert.match(problem('3fe2ff03'), /above the setting/)
  assert.match(problem('8220'), /must come first/)
  assert.match(problem('7fffffffffffff'), /integer/)
  assert.match(problem('410f7777'), /ends early/)
})

test('a list above the limit is reported and the table still follows', () => {
  const encoder = new HpackEncoder()
  const decoder = new HpackDecoder(100)
  const result = decoder.decode(encoder.encode(['x-first', 'one', 'x-large', 'x'.repeat(200), 'x-last', 'three']))
  assert.ok(result.ok && result.tooLarge)
  const next = decoder.decode(encoder.encode(['x-last', 'three']))
  assert.ok(next.ok)
  assert.deepEqual(next.fields, ['x-last', 'three'])
})

test('credentials are never put into the table', () => {
  const encoder = new HpackEncoder()
  const first = encoder.encode(['authorization', 'Bearer one']).toString('hex')
  assert.equal(encoder.encode(['authorization', 'Bearer one']).toString('hex'), first)
})
