// The corpus of responses, as data: what an application says, and what the client may see of it. '\n' stands for CR LF; {LF} {CR} {NUL}
// for themselves. After each, the next request on the same connection and on new ones must get its own answer and no other.
export interface ResponseRow {
  readonly name: string
  readonly text: string
  /** The application ends the connection behind it. */
  readonly closes?: boolean
  /** Method of the request that is answered so; GET. */
  readonly method?: string
  /** Statuses that the client sees for this request, interim ones included. 0: cut off without a whole answer. */
  readonly client: readonly number[]
  readonly body?: string
  /** A field that the client must not see. */
  readonly hidden?: string
  readonly why: string
}

const OK = 'HTTP/1.1 200 OK\n'
/** What an attacker hopes that a client reads as the answer to another request. */
const SPLIT = 'HTTP/1.1 200 OK\nContent-Length: 8\n\nsmuggled'
const CHUNKED = 'Transfer-Encoding: chunked\n'
const BAD = [502]

const row = (name: string, why: string, client: readonly number[], text: string, more: Partial<ResponseRow> = {}): ResponseRow => ({
  name,
  why,
  client,
  text,
  ...more,
})
const bad = (name: string, why: string, text: string): ResponseRow => row(name, why, BAD, text)

export const RESPONSE_ROWS: readonly ResponseRow[] = [
  row('length', 'RFC 9112 6.3 rule 6', [200], `${OK}Content-Length: 2\n\nok`, { body: 'ok' }),
  row('chunks', 'RFC 9112 6.3 rule 4', [200], `${OK}${CHUNKED}\n2\nok\n0\n\n`, { body: 'ok' }),
  row('until close', 'RFC 9112 6.3 rule 8', [200], `${OK}\nok`, { closes: true, body: 'ok' }),
  row('octets behind the length', 'RFC 9112 9.2: whose answer they are cannot be known', [200], `${OK}Content-Length: 2\n\nok${SPLIT}`, {
    body: 'ok',
  }),
  row('octets behind the last chunk', 'RFC 9112 9.2', [200], `${OK}${CHUNKED}\n2\nok\n0\n\n${SPLIT}`, { body: 'ok' }),
  row('body behind HEAD', 'RFC 9112 6.3 rule 1', [200], `${OK}Content-Length: 49\n\n${SPLIT}`, { method: 'HEAD', body: '' }),
  row('chunks behind HEAD', 'RFC 9112 6.3 rule 1', [200], `${OK}${CHUNKED}\n2\nok\n0\n\n`, { method: 'HEAD', body: '' }),
  row('body behind 304', 'RFC 9112 6.3 rule 1', [304], `HTTP/1.1 304 Not Modified\nContent-Length: 49\n\n${SPLIT}`, { body: '' }),
  row('body behind 204', 'RFC 9112 6.3 rule 1', [204], `HTTP/1.1 204 No Content\n\n${SPLIT}`, { body: '' }),
  bad('204 with a length', 'RFC 9110 8.6', `HTTP/1.1 204 No Content\nContent-Length: 49\n\n${SPLIT}`),
  bad('204 with chunks', 'RFC 9112 6.1', `HTTP/1.1 204 No Content\n${CHUNKED}\n0\n\n`),
  bad('length and chunks', 'RFC 9112 6.1', `${OK}Content-Length: 2\n${CHUNKED}\n2\nok\n0\n\n`),
  bad('chunks and length', 'RFC 9112 6.1', `${OK}${CHUNKED}Content-Length: 2\n\n2\nok\n0\n\n`),
  bad('two lengths', 'RFC 9112 6.3 rule 5', `${OK}Content-Length: 2\nContent-Length: 60\n\nok${SPLIT}`),
  bad('the same length twice', 'RFC 9112 6.3 rule 5', `${OK}Content-Length: 2\nContent-Length: 2\n\nok`),
  ...['+2', '-2', '2, 2', '2 2', '0x2', '', 'two', '9'.repeat(30)].map((value) =>
    bad(`Content-Length: ${value}`, 'RFC 9110 8.6', `${OK}Content-Length: ${value}\n\nok`),
  ),
  ...['xchunked', 'gzip, chunked', 'chunked, gzip', 'chunked, chunked', 'identity', '', 'chunked;a=b', 'cow'].map((value) =>
    bad(`Transfer-Encoding: ${value}`, 'RFC 9112 6.1', `${OK}Transfer-Encoding: ${value}\n\n2\nok\n0\n\n`),
  ),
  bad('Transfer-Encoding twice', 'RFC 9112 6.1', `${OK}${CHUNKED}${CHUNKED}\n2\nok\n0\n\n`),
  bad('chunks in HTTP/1.0', 'RFC 9112 6.1', `HTTP/1.0 200 OK\n${CHUNKED}\n2\nok\n0\n\n`),
  ...[
    ['overflow', '10000000000000002\nok\n0\n\n'],
    ['minus', '-2\nok\n0\n\n'],
    ['plus', '+2\nok\n0\n\n'],
    ['0x', '0x2\nok\n0\n\n'],
    ['blank behind', '2 \nok\n0\n\n'],
    ['bare LF', '2{LF}ok\n0\n\n'],
    ['letters', 'zz\nok\n0\n\n'],
  ].map(([name = '', body = '']) => row(`first chunk: ${name}`, 'RFC 9112 7.1', BAD, `${OK}${CHUNKED}\n${body}`)),
  row('later chunk broken', 'RFC 9112 7.1: nothing of it was sent on yet', BAD, `${OK}${CHUNKED}\n2\nok\nzz\n`),
  row('more data than the chunk says', 'RFC 9112 7.1: nothing of it was sent on yet', BAD, `${OK}${CHUNKED}\n2\nokay${SPLIT}\n0\n\n`),
  row('length that is not kept', 'RFC 9112 8', [0], `${OK}Content-Length: 20\n\nok`, { closes: true }),
  row('chunks without an end', 'RFC 9112 8', [0], `${OK}${CHUNKED}\n2\nok\n`, { closes: true }),
  row('chunk extension', 'RFC 9112 7.1.1', [200], `${OK}${CHUNKED}\n2;a=b\nok\n0\n\n`, { body: 'ok' }),
  bad('bare LF in the status line', 'RFC 9112 2.2', `HTTP/1.1 200 OK{LF}Content-Length: 2\n\nok`),
  bad('bare LF in the head', 'RFC 9112 2.2', `${OK}A: b{LF}Content-Length: 2\n\nok`),
  bad('bare CR in a value', 'RFC 9112 2.2: no one deletes it, no one takes it for an end', `${OK}A: b{CR}c\nContent-Length: 2\n\nok`),
  bad('NUL in a value', 'RFC 9110 5.5', `${OK}A: b{NUL}c\nContent-Length: 2\n\nok`),
  bad('folded line', 'RFC 9112 5.2', `${OK}A: b\n c\nContent-Length: 2\n\nok`),
  bad('blank before the colon', 'RFC 9112 5.1', `${OK}Content-Length : 2\n\nok`),
  bad('no colon', 'RFC 9112 5', `${OK}nonsense\nContent-Length: 2\n\nok`),
  bad('status of two digits', 'RFC 9112 4', 'HTTP/1.1 20 OK\nContent-Length: 2\n\nok'),
  bad('status with letters', 'RFC 9112 4', 'HTTP/1.1 2x0 OK\nContent-Length: 2\n\nok'),
  bad('status 000', 'RFC 9110 15', 'HTTP/1.1 000 OK\nContent-Length: 2\n\nok'),
  bad('other version', 'RFC 9112 2.3', 'HTTP/2.0 200 OK\nContent-Length: 2\n\nok'),
  bad('HTTP/0.9', 'RFC 9112 2.3', 'ok\n\n'),
  bad('another protocol', 'RFC 9112 4', 'SSH-2.0-OpenSSH_9.6\n\n'),
  row('no reason', 'RFC 9112 4: it may be empty', [200], 'HTTP/1.1 200 \nContent-Length: 2\n\nok', { body: 'ok' }),
  row('103', 'RFC 9110 15.2: forwarded', [103, 200], `HTTP/1.1 103 Early Hints\nLink: </a>\n\n${OK}Content-Length: 2\n\nok`, {
    body: 'ok',
  }),
  row(
    '103 whose Connection names a field',
    'RFC 9110 7.6.1: it ends here, in an interim answer too',
    [103, 200],
    `HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: x-foo\nX-Foo: secret\nKeep-Alive: timeout=5\n\n${OK}Content-Length: 2\n\nok`,
    { body: 'ok', hidden: 'x-foo' },
  ),
  row(
    '103 with Keep-Alive',
    'RFC 9110 7.6.1',
    [103, 200],
    `HTTP/1.1 103 Early Hints\nLink: </a>\nKeep-Alive: timeout=5\nConnection: keep-alive\n\n${OK}Content-Length: 2\n\nok`,
    { body: 'ok', hidden: 'keep-alive' },
  ),
  row(
    '102 in HTTP/1.0',
    'RFC 9110 15.2: no 1xx in HTTP/1.0; the version is that of this hop',
    [102, 200],
    `HTTP/1.0 102 Processing\n\n${OK}Content-Length: 2\n\nok`,
    { body: 'ok' },
  ),
  row(
    'ten times 100',
    'RFC 9110 15.2',
    [...Array.from({ length: 10 }, () => 100), 200],
    `${'HTTP/1.1 100 Continue\n\n'.repeat(10)}${OK}Content-Length: 2\n\nok`,
    { body: 'ok' },
  ),
  bad('100 with a length', 'RFC 9110 8.6', `HTTP/1.1 100 Continue\nContent-Length: 5\n\nhello${OK}Content-Length: 2\n\nok`),
  row('100 behind the final answer', 'RFC 9112 9.2', [200], `${OK}Content-Length: 2\n\nokHTTP/1.1 100 Continue\n\n`, { body: 'ok' }),
  bad(
    '101 that nobody asked for',
    'RFC 9110 15.2.2',
    `HTTP/1.1 101 Switching Protocols\nConnection: upgrade\nUpgrade: websocket\n\n${SPLIT}`,
  ),
  row('Connection names a field', 'RFC 9110 7.6.1: it ends here', [200], `${OK}Connection: x-foo\nX-Foo: secret\nContent-Length: 2\n\nok`, {
    body: 'ok',
    hidden: 'x-foo',
  }),
  row(
    'Connection names a field, and close',
    'RFC 9110 7.6.1, RFC 9112 9.6',
    [200],
    `${OK}Connection: close, x-foo\nX-Foo: secret\nContent-Length: 2\n\nok`,
    { closes: true, body: 'ok', hidden: 'x-foo' },
  ),
  row('Keep-Alive', 'RFC 9110 7.6.1', [200], `${OK}Keep-Alive: timeout=5\nContent-Length: 2\n\nok`, { body: 'ok', hidden: 'keep-alive' }),
  row(
    'Connection: close that is not kept',
    'RFC 9112 9.6: the connection is not used again',
    [200],
    `${OK}Connection: close\nContent-Length: 2\n\nok`,
    { body: 'ok' },
  ),
  row('HTTP/1.0 with a length', 'RFC 9112 9.3', [200], 'HTTP/1.0 200 OK\nContent-Length: 2\n\nok', { body: 'ok' }),
  row('nothing', 'RFC 9112 8', [503], '', { closes: true }),
  row('half a head', 'RFC 9112 8: it began to answer', [502], 'HTTP/1.1 200 OK\nContent-Le', { closes: true }),
  row(
    'early answer to a body',
    'RFC 9112 9.3: the rest of the body is nobody else’s request',
    [413],
    'HTTP/1.1 413 Too Large\nContent-Length: 3\n\nbig',
    { method: 'POST', body: 'big' },
  ),
  row('long head', 'Envoy: 80 KiB', [200], `${OK}A: ${'b'.repeat(79 * 1024)}\nContent-Length: 2\n\nok`, { body: 'ok' }),
  bad('endless head', 'Envoy: 80 KiB', `${OK}A: ${'b'.repeat(81 * 1024)}\nContent-Length: 2\n\nok`),
  bad('too many fields', 'Envoy: max_headers_count 100', `${OK}${'A: b\n'.repeat(101)}Content-Length: 2\n\nok`),
]

/** What the client of a real Envoy (1.40) sees where it is something else, by the row's name; docs/differences.md says why ours differs. */
export const SHOWN_BY_ENVOY: Readonly<Record<string, readonly number[]>> = {
  'chunks in HTTP/1.0': [200],
  // 200 and half an answer: it has begun before it looks.
  'first chunk: overflow': [0],
  'first chunk: minus': [0],
  'first chunk: plus': [0],
  'first chunk: 0x': [0],
  'first chunk: bare LF': [0],
  'first chunk: letters': [0],
  'later chunk broken': [0],
  'more data than the chunk says': [0],
  'first chunk: blank behind': [200],
  'bare LF in the status line': [200],
  'bare LF in the head': [200],
  'bare CR in a value': [200],
  'folded line': [200],
  'other version': [200],
  '103': [200],
  '103 whose Connection names a field': [200],
  '103 with Keep-Alive': [200],
  '102 in HTTP/1.0': [200],
  'ten times 100': [200],
  '101 that nobody asked for': [101],
}
