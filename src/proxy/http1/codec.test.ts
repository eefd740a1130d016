// The codec from outside: octets in, meaning out. A message cut at any place means the same as the whole one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../base/random.ts'
import { type BodyOutput, BodyReader } from './body-reader.ts'
import { requestBodyKind, responseBodyKind } from './framing.ts'
import { MessageHead } from './head.ts'
import { HeadReader } from './head-reader.ts'
import { parseRequestHead, parseResponseHead } from './parse-head.ts'

interface Read {
  readonly outcome: string
  readonly method: string
  readonly target: string
  readonly fields: readonly string[]
  readonly passed: string
  readonly payloadBytes: number
  readonly rest: string
}

/** Reads one request from chunks, as downstream-connection.ts does. */
function readRequest(chunks: readonly Buffer[], output: BodyOutput = 'raw'): Read {
  const reader = new HeadReader(8192)
  const head = new MessageHead()
  const body = new BodyReader()
  let headDone = false
  let passed = ''
  let rest = ''
  let outcome = 'incomplete'
  const result = (): Read => ({
    outcome,
    method: head.method,
    target: head.target,
    fields: Array.from({ length: head.fieldCount }, (_, index) => `${head.nameAt(index)}=${head.valueAt(index)}`),
    passed,
    payloadBytes: body.payloadBytes,
    rest,
  })
  for (const chunk of chunks) {
    let at = 0
    if (!headDone) {
      const state = reader.read(chunk, 0)
      if (state === 'incomplete') continue
      if (state !== 'complete') return { ...result(), outcome: state }
      const problem = parseRequestHead(head, reader.text, 100)
      if (problem !== undefined) return { ...result(), outcome: problem }
      headDone = true
      at = reader.bodyStart
      body.begin(requestBodyKind(head), head.contentLength, output)
    }
    if (body.done) rest += chunk.toString('latin1', at)
    else {
      const end = body.read(chunk, at)
      if (body.problem) return { ...result(), outcome: 'bad-body' }
      passed +=
        body.out.pieces.length > 0
          ? Buffer.concat([...body.out.pieces]).toString('latin1')
          : chunk.toString('latin1', body.out.start, body.out.end)
      rest += chunk.toString('latin1', end)
    }
    if (body.done) outcome = 'complete'
  }
  return result()
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

const MESSAGES: Readonly<Record<string, string>> = {
  'no body': 'GET /a?b=c HTTP/1.1\r\nHost: h\r\nX-A:  v w \r\n\r\n',
  'a length': 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET',
  chunked: 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\nNEXT',
  'chunked with extensions': 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n',
  'chunked with trailers':
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\nContent-Length: 3\r\n\r\n',
  'empty lines first': '\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n',
  'an empty chunked body': 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'octets beyond ASCII': 'GET / HTTP/1.1\r\nHost: h\r\nX: \xe4\xff\r\n\r\n',
}

for (const [name, text] of Object.entries(MESSAGES)) {
  for (const output of ['raw', 'payload'] as const) {
    test(`${name}: cut at any place, the same message (${output})`, () => {
      const whole = readRequest([bytes(text)], output)
      assert.equal(whole.outcome, 'complete')
      for (let cut = 1; cut < text.length; cut++) {
        const read = readRequest([bytes(text.slice(0, cut)), bytes(text.slice(cut))], output)
        assert.deepEqual(sameMeaning(read), sameMeaning(whole), `cut at ${cut}: ${JSON.stringify(text.slice(0, cut))}`)
      }
      const single = readRequest([...text].map(bytes), output)
      assert.deepEqual(sameMeaning(single), sameMeaning(whole), 'octet by octet')
    })
  }
}

/** How the framing of a held-back size line is written may differ (lower case hexadecimal); what it means may not. */
function sameMeaning(read: Read): Read {
  return { ...read, passed: read.passed.replaceAll(/(^|\r\n)([0-9A-F]+)\r\n/g, (_, before, size) => `${before}${size.toLowerCase()}\r\n`) }
}

test('random cuts into many pieces give the same message', () => {
  const random = seededRandom(7)
  const text = MESSAGES['chunked with trailers'] ?? ''
  const whole = sameMeaning(readRequest([bytes(text)]))
  for (let round = 0; round < 500; round++) {
    const chunks: Buffer[] = []
    for (let at = 0; at < text.length; ) {
      const length = 1 + Math.floor(random() * 9)
      chunks.push(bytes(text.slice(at, at + length)))
      at += length
    }
    assert.deepEqual(sameMeaning(readRequest(chunks)), whole)
  }
})

test('a chunked body in one piece is passed on as it stands', () => {
  const body = '5\r\nhello\r\n0\r\n\r\n'
  assert.equal(readRequest([bytes(`POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${body}`)]).passed, body)
})

test('chunk extensions and trailers that would change the head are cut out', () => {
  assert.equal(readRequest([bytes(MESSAGES['chunked with extensions'] ?? '')]).passed, '5\r\nhello\r\n0\r\n\r\n')
  assert.equal(readRequest([bytes(MESSAGES['chunked with trailers'] ?? '')]).passed, '3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n')
})

test('the last chunk is held back until the trailers are read', () => {
  const start = 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n'
  assert.equal(readRequest([bytes(start)]).passed, '3\r\nabc\r\n')
})

/** What must never be passed on, because two parsers may read it in two ways. Section of RFC 9112 unless another is named. */
const REFUSED: readonly (readonly [section: string, text: string, outcome: string])[] = [
  [
    '6.1 length and chunked',
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'length-and-chunked',
  ],
  [
    '6.1 chunked and length',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n',
    'length-and-chunked',
  ],
  ['6.3 differing lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd', 'content-length-repeated'],
  ['6.3 equal lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc', 'content-length-repeated'],
  ['6.3 a list of lengths', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc', 'content-length-invalid'],
  ['6.3 a signed length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc', 'content-length-invalid'],
  ['6.3 a hexadecimal length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc', 'content-length-invalid'],
  ['6.3 an empty length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\n', 'content-length-invalid'],
  ['6.3 a huge length', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999999999\r\n\r\n', 'content-length-invalid'],
  ['6.1 another coding', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n', 'transfer-encoding-invalid'],
  ['6.1 chunked not last', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, gzip\r\n\r\n', 'transfer-encoding-invalid'],
  [
    '6.1 chunked twice',
    'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n',
    'transfer-encoding-invalid',
  ],
  ['6.1 identity', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n', 'transfer-encoding-invalid'],
  ['6.1 a disguised chunked', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n', 'transfer-encoding-invalid'],
  ['6.1 a quoted chunked', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "chunked"\r\n\r\n', 'transfer-encoding-invalid'],
  ['6.1 chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n', 'transfer-encoding-in-http10'],
  ['5.1 space before the colon', 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 3\r\n\r\nabc', 'whitespace-before-colon'],
  ['5.1 tab before the colon', 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding\t: chunked\r\n\r\n', 'whitespace-before-colon'],
  ['5.2 folded line', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n', 'obs-fold'],
  ['5.2 folded first line', 'GET / HTTP/1.1\r\n Host: h\r\n\r\n', 'obs-fold'],
  ['2.2 bare LF ends a field', 'GET / HTTP/1.1\r\nHost: h\nX: a\r\n\r\n', 'bare-line-break'],
  ['2.2 bare LF ends the request line', 'GET / HTTP/1.1\nHost: h\r\n\r\n', 'bad-version'],
  ['2.2 bare CR in a value', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n', 'bare-line-break'],
  ['2.2 only bare LF', 'GET / HTTP/1.1\nHost: h\n\n', 'malformed'],
  ['9110 5.5 NUL in a value', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n', 'bad-field-value'],
  ['9110 5.5 DEL in a value', 'GET / HTTP/1.1\r\nHost: h\r\nX: a\x7fb\r\n\r\n', 'bad-field-value'],
  ['9110 5.1 an empty name', 'GET / HTTP/1.1\r\nHost: h\r\n: a\r\n\r\n', 'bad-field-name'],
  ['9110 5.1 a name with a bracket', 'GET / HTTP/1.1\r\nHost: h\r\nX(: a\r\n\r\n', 'bad-field-name'],
  ['5 a line without a colon', 'GET / HTTP/1.1\r\nHost: h\r\nfoo\r\n\r\n', 'bare-line-break'],
  ['3.2 no host', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', 'missing-host'],
  ['3.2 two hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'several-hosts'],
  ['3.2 a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 'bad-host'],
  ['3.2 a host with userinfo', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 'bad-host'],
  ['3.2 a host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 'bad-host'],
  ['3.2 a list of hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 'bad-host'],
  ['3.2 a space in the target', 'GET /a b HTTP/1.1\r\nHost: h\r\n\r\n', 'bad-version'],
  ['3 a tab after the method', 'GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n', 'bad-start-line'],
  ['3 two spaces', 'GET  / HTTP/1.1\r\nHost: h\r\n\r\n', 'bad-start-line'],
  ['3 a control in the target', 'GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n', 'bad-target'],
  ['3 raw UTF-8 in the target', 'GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n', 'bad-target'],
  ['2.3 HTTP/0.9', 'GET /\r\nHost: h\r\n\r\n', 'bad-target'],
  ['2.3 HTTP/1.2', 'GET / HTTP/1.2\r\nHost: h\r\n\r\n', 'bad-version'],
  ['2.3 HTTP/2.0', 'GET / HTTP/2.0\r\nHost: h\r\n\r\n', 'bad-version'],
  ['2.3 lower case', 'GET / http/1.1\r\nHost: h\r\n\r\n', 'bad-version'],
  ['2.3 trailing space', 'GET / HTTP/1.1 \r\nHost: h\r\n\r\n', 'bad-version'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'malformed'],
  ['7.1 a size that is no number', `${chunkedHead()}zz\r\n\r\n`, 'bad-body'],
  ['7.1 a signed size', `${chunkedHead()}-1\r\n\r\n`, 'bad-body'],
  ['7.1 a prefixed size', `${chunkedHead()}0x5\r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 an empty size', `${chunkedHead()}\r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 a huge size', `${chunkedHead()}fffffffffffffffff\r\n`, 'bad-body'],
  ['7.1 a space before the size', `${chunkedHead()} 5\r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 a space after the size', `${chunkedHead()}5 \r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 a size ended by LF', `${chunkedHead()}5\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1.1 an extension ended by LF', `${chunkedHead()}5;a\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1.1 an extension with a bare CR', `${chunkedHead()}5;a\rb\r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 data longer than its size', `${chunkedHead()}3\r\nhello\r\n0\r\n\r\n`, 'bad-body'],
  ['7.1 data without its line end', `${chunkedHead()}5\r\nhello0\r\n\r\n`, 'bad-body'],
  ['7.1.2 a folded trailer', `${chunkedHead()}0\r\nX: a\r\n b\r\n\r\n`, 'bad-body'],
  ['7.1.2 a trailer ended by LF', `${chunkedHead()}0\r\nX: a\nY: b\r\n\r\n`, 'bad-body'],
]

function chunkedHead(): string {
  return 'POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n'
}

for (const [section, text, outcome] of REFUSED) {
  test(`refused, RFC 9112 ${section}`, () => {
    assert.equal(readRequest([bytes(text)]).outcome, outcome)
    // However it arrives, it is refused; only the moment at which that is certain may differ.
    const single = readRequest([...text].map(bytes)).outcome
    assert.notEqual(single, 'complete')
    assert.notEqual(single, 'incomplete')
  })
}

test('a head beyond the limit is too large, whole or in pieces', () => {
  const text = `GET / HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(9000)}\r\n\r\n`
  assert.equal(readRequest([bytes(text)]).outcome, 'too-large')
  assert.equal(readRequest([bytes(text.slice(0, 5000)), bytes(text.slice(5000))]).outcome, 'too-large')
  assert.equal(readRequest([bytes(text.slice(0, 8500))]).outcome, 'too-large')
})

test('more fields than allowed are refused', () => {
  const lines = 'X: y\r\n'.repeat(100)
  assert.equal(readRequest([bytes(`GET / HTTP/1.1\r\nHost: h\r\n${lines}\r\n`)]).outcome, 'too-many-fields')
})

const response = (text: string): { problem: string | undefined; head: MessageHead } => {
  const head = new MessageHead()
  return { problem: parseResponseHead(head, text, 100), head }
}

test('a response is read with any reason phrase, also none', () => {
  for (const line of ['HTTP/1.1 200 OK', 'HTTP/1.1 200 ', 'HTTP/1.1 200', 'HTTP/1.0 299 A b \xe4']) {
    assert.equal(response(`${line}\r\nX: y\r\n`).problem, undefined, line)
  }
})

test('a malformed response is refused', () => {
  for (const text of [
    'HTTP/1.1 20 OK\r\n',
    'HTTP/1.1 2000 OK\r\n',
    'HTTP/2 200 OK\r\n',
    'HTTP/1.1  200 OK\r\n',
    'HTTP/1.1 200 OK\nX: y\r\n',
    'HTTP/1.1 204 No\r\nContent-Length: 5\r\n',
    'HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n',
  ]) {
    assert.notEqual(response(text).problem, undefined, JSON.stringify(text))
  }
})

test('RFC 9112 6.3: what decides the length of a response body', () => {
  const kind = (text: string, method = 'GET'): string => responseBodyKind(response(text).head, method)
  assert.equal(kind('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n', 'HEAD'), 'none')
  assert.equal(kind('HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n'), 'none')
  assert.equal(kind('HTTP/1.1 204 No Content\r\n'), 'none')
  assert.equal(kind('HTTP/1.1 200 OK\r\n', 'CONNECT'), 'none')
  assert.equal(kind('HTTP/1.1 403 No\r\nContent-Length: 5\r\n', 'CONNECT'), 'length')
  assert.equal(kind('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n'), 'chunked')
  assert.equal(kind('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n'), 'length')
  assert.equal(kind('HTTP/1.1 200 OK\r\n'), 'until-close')
})

test('a body until close may leave as chunks', () => {
  const body = new BodyReader()
  body.begin('until-close', -1, 'chunked')
  const parts: Buffer[] = []
  body.read(bytes('hello'), 0)
  parts.push(...body.out.pieces)
  body.readEnd()
  parts.push(...body.out.pieces)
  assert.equal(Buffer.concat(parts).toString('latin1'), '5\r\nhello\r\n0\r\n\r\n')
  assert.equal(body.problem, false)
})

test('a connection that ends inside a body of known length is a problem', () => {
  const body = new BodyReader()
  body.begin('length', 10, 'raw')
  body.read(bytes('hello'), 0)
  body.readEnd()
  assert.equal(body.problem, true)
})
