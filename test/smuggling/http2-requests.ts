// The corpus of HTTP/2 requests, as data: what is sent, what the proxy must make of it, and why. Each row is a stream, and another
// follows it on the same connection. In a text {LF} {CR} {NUL} {TAB} stand for themselves.

import type { Fields, StreamToSend } from './http2-client.ts'
import { octets } from './requests.ts'

export interface Http2Row extends StreamToSend {
  readonly name: string
  /** RFC and section. */
  readonly why: string
  /** Requests that reach the backend whole; 0: refused. 'at most one': it was whole before the rest came, or the rest came first. */
  readonly forwards: 0 | 1 | 'at most one'
  /** How the stream ends; undefined: the backend decides. */
  readonly ends?: 'reset' | number
  /** What the backend must have got, where that is the point. */
  readonly body?: string
}

/** What an attacker hopes that somebody reads as a request of its own. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: app\r\n\r\n'
const GET: Fields = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'app'],
  [':path', '/a'],
]
const POST: Fields = [[':method', 'POST'], ...GET.slice(1)]

interface Parts {
  readonly head?: Fields
  readonly fields?: readonly string[]
  readonly data?: readonly string[]
  readonly trailers?: readonly string[]
}

/** 'name=value', the first '=' parts them, so that either side may hold a colon. */
const field = (text: string): readonly [string, string] => {
  const at = text.indexOf('=')
  return [octets(text.slice(0, at)), octets(text.slice(at + 1))]
}

const row = (name: string, why: string, parts: Parts, rest: Pick<Http2Row, 'forwards' | 'ends' | 'body'>): Http2Row => ({
  name,
  why,
  fields: [...(parts.head ?? (parts.data === undefined ? GET : POST)), ...(parts.fields ?? []).map(field)],
  data: parts.data ?? [],
  trailers: parts.trailers?.map(field),
  ...rest,
})
const reset = (name: string, why: string, parts: Parts): Http2Row => row(name, why, parts, { forwards: 0, ends: 'reset' })
const passes = (name: string, why: string, parts: Parts, body?: string): Http2Row =>
  row(name, why, parts, body === undefined ? { forwards: 1, ends: 200 } : { forwards: 1, ends: 200, body })
const refused = (name: string, why: string, status: number, parts: Parts): Http2Row => row(name, why, parts, { forwards: 0, ends: status })

/** GET with one pseudo-field said otherwise, or not at all. */
const pseudo = (name: string, value: string | undefined): Fields =>
  GET.flatMap((each) => (each[0] !== name ? [each] : value === undefined ? [] : [[name, octets(value)] as const]))

const LENGTHS: readonly Http2Row[] = [
  ...['0', '4', '6', '500'].map((length) =>
    reset(`H2.CL: length ${length} of five octets`, 'RFC 9113 8.1.1: length and DATA agree', {
      fields: [`content-length=${length}`],
      data: ['hello'],
    }),
  ),
  reset('H2.CL: a request behind the length', 'RFC 9113 8.1.1', { fields: ['content-length=5'], data: [`hello${SMUGGLED}`] }),
  row(
    'H2.CL: a request behind length 0',
    'RFC 9113 8.1.1: whole before the rest came',
    { fields: ['content-length=0'], data: [SMUGGLED] },
    { forwards: 'at most one', body: '' },
  ),
  row(
    'H2.CL: a request behind the length, in a frame of its own',
    'RFC 9113 8.1.1: whole before the rest came, or the rest came first',
    { fields: ['content-length=5'], data: ['hello', SMUGGLED] },
    { forwards: 'at most one', body: 'hello' },
  ),
  reset('H2.CL: a length and no content', 'RFC 9113 8.1.1', { head: POST, fields: ['content-length=5'] }),
  reset('H2.CL: two different lengths', 'RFC 9113 8.1.1, RFC 9110 8.6', {
    fields: ['content-length=5', 'content-length=6'],
    data: ['hello'],
  }),
  reset('H2.CL: two lengths, the first wrong', 'RFC 9113 8.1.1', { fields: ['content-length=0', 'content-length=5'], data: ['hello'] }),
  ...[
    '+5',
    '-5',
    '5, 5',
    '5,6',
    '0x5',
    '5;',
    '5.0',
    '',
    'five',
    ' 5',
    '5 ',
    '{TAB}5',
    '5{CR}',
    '5{CR}{LF}x: y',
    '5{NUL}',
    '9'.repeat(40),
  ].map((value) =>
    reset(`H2.CL: content-length "${value}"`, 'RFC 9110 8.6: digits', { fields: [`content-length=${value}`], data: ['hello'] }),
  ),
  reset('H2.CL: short content before trailers', 'RFC 9113 8.1.1', {
    fields: ['content-length=50'],
    data: ['hello'],
    trailers: ['x-sum=1'],
  }),
  passes(
    'the same length twice',
    'RFC 9110 8.6: one value, said once to the next hop',
    { fields: ['content-length=5', 'content-length=5'], data: ['hello'] },
    'hello',
  ),
  passes('a length that agrees', 'RFC 9113 8.1.1', { fields: ['content-length=5'], data: ['he', '', 'llo'] }, 'hello'),
  passes('no length', 'RFC 9113 8.1: the end of the stream is the end of the body', { data: ['he', 'llo'] }, 'hello'),
  passes('content that looks like a request', 'RFC 9113 8.1', { data: [SMUGGLED] }, SMUGGLED),
  passes('content that looks like chunks', 'RFC 9113 8.1', { data: [`0\r\n\r\n${SMUGGLED}`] }, `0\r\n\r\n${SMUGGLED}`),
  passes('content of a GET', 'RFC 9110 9.3.1: it has no meaning, but it has an end', { head: GET, data: [SMUGGLED] }, SMUGGLED),
]

const CONNECTION: readonly Http2Row[] = [
  ...['chunked', 'identity', 'gzip, chunked', ''].map((value) =>
    reset(`H2.TE: transfer-encoding "${value}"`, 'RFC 9113 8.2.2', {
      fields: [`transfer-encoding=${value}`],
      data: [`0\r\n\r\n${SMUGGLED}`],
    }),
  ),
  reset('H2.TE: transfer-encoding in capitals', 'RFC 9113 8.2.1', {
    fields: ['Transfer-Encoding=chunked'],
    data: [`0\r\n\r\n${SMUGGLED}`],
  }),
  reset('H2.TE: transfer-encoding and a blank', 'RFC 9113 8.2.1', {
    fields: ['transfer-encoding =chunked'],
    data: [`0\r\n\r\n${SMUGGLED}`],
  }),
  reset('H2.TE: a blank and transfer-encoding', 'RFC 9113 8.2.1', {
    fields: [' transfer-encoding=chunked'],
    data: [`0\r\n\r\n${SMUGGLED}`],
  }),
  reset('H2.TE: with a length', 'RFC 9113 8.2.2', { fields: ['content-length=5', 'transfer-encoding=chunked'], data: ['hello'] }),
  ...[
    'connection=close',
    'connection=x-a',
    'connection=transfer-encoding',
    'keep-alive=timeout=5',
    'proxy-connection=keep-alive',
    'upgrade=h2c',
    'upgrade=websocket',
  ].map((each) => reset(`of a connection: ${each}`, 'RFC 9113 8.2.2', { fields: [each] })),
  ...['gzip', 'trailers, gzip', 'Trailers, chunked', 'chunked', ''].map((value) =>
    reset(`te "${value}"`, 'RFC 9113 8.2.2: trailers and nothing else', { fields: [`te=${value}`] }),
  ),
  passes('te trailers', 'RFC 9113 8.2.2', { fields: ['te=trailers'] }),
  passes(
    'underscore instead of hyphen is another field',
    'RFC 9110 5.1',
    { fields: ['transfer_encoding=chunked'], data: ['hello'] },
    'hello',
  ),
]

const NAMES_AND_VALUES: readonly Http2Row[] = [
  ...[
    ['CR LF', 'x{CR}{LF}transfer-encoding: chunked{CR}{LF}y'],
    ['CR LF and an empty line', `x: y{CR}{LF}{CR}{LF}GET /smuggled HTTP/1.1{CR}{LF}host`],
    ['LF', 'x{LF}y'],
    ['CR', 'x{CR}y'],
    ['NUL', 'x{NUL}y'],
    ['a colon', 'transfer-encoding: chunked{CR}{LF}x'],
    ['only a colon inside', 'x:y'],
    ['a colon at the end', 'host:'],
    ['a blank', 'x y'],
    ['a blank before', ' x'],
    ['a blank behind', 'x '],
    ['a tab behind', 'x{TAB}'],
    ['capitals', 'X-Upper'],
    ['one capital', 'content-lengtH'],
    ['octets beyond ASCII', 'caf\xe9'],
    ['a parenthesis', 'x(y)'],
    ['DEL', 'x\x7f'],
    ['nothing', ''],
  ].map(([what = '', name = '']) => reset(`name with ${what}`, 'RFC 9113 8.2.1', { fields: [`${name}=1`] })),
  ...[
    ['CR LF', 'a{CR}{LF}x: y'],
    ['CR LF and a length', 'a{CR}{LF}Content-Length: 50'],
    ['CR LF and a request', `a{CR}{LF}{CR}{LF}GET /smuggled HTTP/1.1{CR}{LF}host: app{CR}{LF}{CR}{LF}`],
    ['LF', 'a{LF}x: y'],
    ['CR', 'a{CR}x: y'],
    ['NUL', 'a{NUL}b'],
    ['a blank before', ' a'],
    ['a blank behind', 'a '],
    ['a tab before', '{TAB}a'],
    ['only a blank', ' '],
  ].map(([what = '', value = '']) => reset(`value with ${what}`, 'RFC 9113 8.2.1', { fields: [`x=${value}`] })),
  ...['a{CR}{LF}x: y', 'a{LF}', '{CR}', 'a{NUL}'].map((value) =>
    reset(`cookie "${value}"`, 'RFC 9113 8.2.1', { fields: ['cookie=a=1', `cookie=${value}`] }),
  ),
  passes('crumbs of a cookie', 'RFC 9113 8.2.3', { fields: ['cookie=a=1', 'x=y', 'cookie=b=2'] }),
  passes('value with octets beyond ASCII', 'RFC 9110 5.5', { fields: ['x=caf\xe9'] }),
  passes('value with a colon', 'RFC 9110 5.5', { fields: ['x=y: z'] }),
  passes('empty value', 'RFC 9110 5.5', { fields: ['x='] }),
  refused('too many fields', 'Envoy: max_headers_count 100', 431, { fields: Array.from({ length: 101 }, (_, index) => `x-${index}=1`) }),
  reset('a name that is too long', 'RFC 9113 10.5.1', { fields: [`${'n'.repeat(61 * 1024)}=1`] }),
  reset('a value that is too long', 'RFC 9113 10.5.1', { fields: [`x=${'v'.repeat(61 * 1024)}`] }),
]

const PSEUDO: readonly Http2Row[] = [
  ...[':method', ':scheme', ':path', ':authority'].flatMap((name) => [
    reset(`${name} twice`, 'RFC 9113 8.3', { head: [...GET, [name, '/b']] }),
    reset(`${name} behind a field`, 'RFC 9113 8.3', { head: [...pseudo(name, undefined), ['x', 'y'], [name, 'GET']] }),
  ]),
  ...[':method', ':scheme', ':path'].flatMap((name) => [
    reset(`no ${name}`, 'RFC 9113 8.3.1', { head: pseudo(name, undefined) }),
    reset(`empty ${name}`, 'RFC 9113 8.3.1', { head: pseudo(name, '') }),
  ]),
  reset('unknown pseudo-field', 'RFC 9113 8.3', { head: [...GET, [':foo', 'bar']] }),
  reset(':status in a request', 'RFC 9113 8.3', { head: [...GET, [':status', '200']] }),
  reset('pseudo-field with a blank', 'RFC 9113 8.3', { head: [...GET, [':path ', '/b']] }),
  reset('pseudo-field in capitals', 'RFC 9113 8.3', { head: [...GET, [':Path', '/b']] }),
  reset('a colon alone', 'RFC 9113 8.3', { head: [...GET, [':', '/b']] }),
  ...[
    'GET /smuggled HTTP/1.1{CR}{LF}x: y',
    'GE T',
    'GET ',
    ' GET',
    'GET{CR}',
    'GET{LF}',
    'GET{TAB}',
    'GET{NUL}',
    'GET:',
    'GET/',
    '"GET"',
  ].map((value) => reset(`:method "${value}"`, 'RFC 9110 9.1: a token', { head: pseudo(':method', value) })),
  ...[
    'a',
    'smuggled',
    '?x',
    '*',
    '/a b',
    '/a{TAB}b',
    ' /a',
    '/a ',
    '/a{LF}',
    '/a{CR}',
    '/a{NUL}',
    'http://evil/',
    '/a HTTP/1.1{CR}{LF}host: evil{CR}{LF}x: y',
  ].map((value) => reset(`:path "${value}"`, 'RFC 9113 8.3.1', { head: pseudo(':path', value) })),
  refused(':path with a fragment', 'RFC 9112 3.2: a target has none', 400, { head: pseudo(':path', '/a#b') }),
  refused(':path with octets beyond ASCII', 'RFC 3986 2', 400, { head: pseudo(':path', '/caf\xe9') }),
  // Python takes one slash away where two begin a path, so they stand further behind.
  passes(':path with two slashes', 'RFC 3986 3.3: they are two', { head: pseudo(':path', '/a//b') }),
  passes('OPTIONS *', 'RFC 9110 7.1', { head: [[':method', 'OPTIONS'], ...pseudo(':path', '*').slice(1)] }),
  ...['http://', 'http ', 'ht tp', 'http:', '1http', 'http{CR}{LF}x: y', 'http{NUL}', 'http/1'].map((value) =>
    reset(`:scheme "${value}"`, 'RFC 3986 3.1', { head: pseudo(':scheme', value) }),
  ),
  ...['app{CR}{LF}x: y', 'app{LF}', 'app{NUL}', ' app', 'app '].map((value) =>
    reset(`:authority "${value}"`, 'RFC 9113 8.2.1', { head: pseudo(':authority', value) }),
  ),
  ...[
    'user@app',
    'app/b',
    'app b',
    'app{TAB}b',
    'app:x',
    'app:99999',
    'app:80:80',
    'app,evil',
    'http://app',
    'app?x',
    'app#x',
    'app\\b',
  ].map((value) => refused(`:authority "${value}"`, 'RFC 9113 8.3.1, RFC 3986 3.2', 400, { head: pseudo(':authority', value) })),
  refused('no :authority, no host', 'RFC 9112 3.2: the next hop needs one', 400, { head: pseudo(':authority', undefined) }),
  refused('empty :authority', 'RFC 9113 8.3.1', 400, { head: pseudo(':authority', '') }),
  passes('host in place of :authority', 'RFC 9113 8.3.1', { head: pseudo(':authority', undefined), fields: ['host=app'] }),
  passes('host that says the same', 'RFC 9113 8.3.1', { fields: ['host=app'] }),
  reset('host that says otherwise', 'RFC 9113 8.3.1', { fields: ['host=evil'] }),
  reset('host with a port beside :authority without', 'RFC 9113 8.3.1', { fields: ['host=app:80'] }),
  reset('two hosts', 'RFC 9113 8.3.1', { head: pseudo(':authority', undefined), fields: ['host=app', 'host=evil'] }),
  reset('empty host beside :authority', 'RFC 9113 8.3.1', { fields: ['host='] }),
  reset('CONNECT with a path', 'RFC 9113 8.5', { head: [[':method', 'CONNECT'], ...GET.slice(1)] }),
  reset('CONNECT with a scheme', 'RFC 9113 8.5', {
    head: [
      [':method', 'CONNECT'],
      [':scheme', 'http'],
      [':authority', 'app:80'],
    ],
  }),
  reset('CONNECT to nowhere', 'RFC 9113 8.5', { head: [[':method', 'CONNECT']] }),
  row(
    'CONNECT that nobody configured',
    'RFC 9110 9.3.6',
    {
      head: [
        [':method', 'CONNECT'],
        [':authority', 'app:80'],
      ],
    },
    { forwards: 0 },
  ),
  row(
    'extended CONNECT that nobody configured',
    'RFC 8441 3',
    { head: [[':method', 'CONNECT'], ...GET.slice(1), [':protocol', 'websocket']] },
    { forwards: 0 },
  ),
  reset(':protocol of another method', 'RFC 8441 4', { head: [...GET, [':protocol', 'websocket']] }),
]

const TRAILERS: readonly Http2Row[] = [
  passes('trailers', 'RFC 9113 8.1', { data: ['hello'], trailers: ['x-sum=1'] }, 'hello'),
  passes('a length among the trailers', 'RFC 9110 6.5.1: dropped', { data: ['hello'], trailers: ['content-length=500'] }, 'hello'),
  passes('host among the trailers', 'RFC 9110 6.5.1: dropped', { data: ['hello'], trailers: ['host=evil'] }, 'hello'),
  ...[
    ':path=/smuggled',
    ':method=GET',
    ':status=200',
    'transfer-encoding=chunked',
    'connection=close',
    'x=a{CR}{LF}y: z',
    `x=a{CR}{LF}{CR}{LF}GET /smuggled HTTP/1.1{CR}{LF}host: app{CR}{LF}{CR}{LF}`,
    'X=a',
    'x y=a',
    '=a',
  ].map((each) => reset(`trailer ${each.slice(0, 40)}`, 'RFC 9113 8.1, 8.2.1', { data: ['hello'], trailers: [each] })),
]

export const HTTP2_ROWS: readonly Http2Row[] = [...LENGTHS, ...CONNECTION, ...NAMES_AND_VALUES, ...PSEUDO, ...TRAILERS]
