// The corpus of requests, as data: what is sent, what the proxy must make of it, and why. Each row goes over a connection of its own.
// '\n' in a text stands for CR LF; {LF} {CR} {NUL} {TAB} {FF} for themselves. `forwards` is the number of requests that may travel on.
export interface RequestRow {
  readonly name: string
  readonly text: string
  /** Requests that reach the backend; 0: refused. */
  readonly forwards: number
  /** Status of the answer to the first request; undefined: the backend decides. */
  readonly status?: number
  /** RFC and section. */
  readonly why: string
  /** What the backend must have got as the first body, where that is the point. */
  readonly body?: string
}

const HOST = 'Host: app\n'
/** What an attacker hopes that somebody reads as a request of its own. */
const SMUGGLED = 'GET /smuggled HTTP/1.1\nHost: app\n\n'
const CHUNKED = 'Transfer-Encoding: chunked\n'
const row = (name: string, why: string, forwards: number, text: string, more: Partial<RequestRow> = {}): RequestRow => ({
  name,
  why,
  forwards,
  text,
  ...(forwards === 0 ? { status: 400 } : {}),
  ...more,
})
const refused = (name: string, why: string, text: string, status = 400): RequestRow => row(name, why, 0, text, { status })

const post = (fields: string, body: string): string => `POST /a HTTP/1.1\n${HOST}${fields}\n${body}`
const get = (fields: string): string => `GET /a HTTP/1.1\n${HOST}${fields}\n`

const LENGTHS: readonly RequestRow[] = [
  ...['+5', '-5', ' +5', '5 5', '0x5', '5;', '5.0', '5e0', '"5"', '', 'five', '٥', '1_0', '9'.repeat(16), '9'.repeat(40), '{TAB}5x'].map(
    (value) =>
      refused(
        `Content-Length: ${value}`,
        'RFC 9110 8.6: digits, and a number that can be counted',
        post(`Content-Length: ${value}\n`, `hello${SMUGGLED}`),
      ),
  ),
  ...['5, 5', '5,5', '5, 6', '5,', ',5', '0, 5'].map((value) =>
    refused(`list in Content-Length: ${value}`, 'RFC 9112 6.3 rule 5', post(`Content-Length: ${value}\n`, `hello${SMUGGLED}`)),
  ),
  refused('two different lengths', 'RFC 9112 6.3 rule 5', post('Content-Length: 5\nContent-Length: 43\n', `hello${SMUGGLED}`)),
  refused(
    'the same length twice',
    'RFC 9112 6.3: allowed to refuse; the next hop may take either line',
    post('Content-Length: 5\ncontent-length: 5\n', 'hello'),
  ),
  row('leading zeros', 'RFC 9110 8.6: digits are decimal', 1, post('Content-Length: 005\n', 'hello'), { body: 'hello' }),
  row(
    'length with blanks around',
    'RFC 9112 5.1: optional whitespace is not part of the value',
    1,
    post('Content-Length: {TAB} 5 {TAB}\n', 'hello'),
    { body: 'hello' },
  ),
  row('length in another case', 'RFC 9110 5.1: names have no case', 1, post('CONTENT-LENGTH: 5\n', 'hello'), { body: 'hello' }),
  row(
    'body of a GET is its body',
    'RFC 9110 9.3.1: it has no meaning, but it has an end',
    1,
    get(`Content-Length: ${SMUGGLED.length + 3}\n`) + SMUGGLED,
  ),
  row('two requests, the second behind a body', 'RFC 9112 9.3.2', 2, `${post('Content-Length: 5\n', 'hello')}${get('')}`),
  row('body that never comes', 'RFC 9112 8: incomplete', 0, post('Content-Length: 500\n', 'hello'), { status: 0 }),
  refused('space before the colon', 'RFC 9112 5.1', post('Content-Length : 5\n', `hello${SMUGGLED}`)),
  refused('tab before the colon', 'RFC 9112 5.1', post('Content-Length{TAB}: 5\n', `hello${SMUGGLED}`)),
  refused('length on a folded line', 'RFC 9112 5.2', post('X: a\n Content-Length: 5\n', `hello${SMUGGLED}`)),
  refused('length in the name of a vertical tab', 'RFC 9110 5.6.2', post('{VT}Content-Length: 5\n', `hello${SMUGGLED}`)),
]

const BOTH: readonly RequestRow[] = [
  refused('CL.TE', 'RFC 9112 6.1', post(`Content-Length: 6\n${CHUNKED}`, `0\n\nG${SMUGGLED}`)),
  refused('TE.CL', 'RFC 9112 6.1', post(`${CHUNKED}Content-Length: 4\n`, `29\n${SMUGGLED}0\n\n`)),
  refused('CL.TE with CL 0', 'RFC 9112 6.1', post(`Content-Length: 0\n${CHUNKED}`, `0\n\n${SMUGGLED}`)),
  ...[
    'xchunked',
    ' chunked, identity',
    'identity, chunked',
    'chunked, chunked',
    'gzip, chunked',
    'chunked;q=1',
    '"chunked"',
    'chun ked',
    'chunked,',
    ',chunked',
    'identity',
    'cow',
    'chunked{FF}',
    '{VT}chunked',
    'chunked{NUL}',
    'x{CR}chunked',
  ].map((value) =>
    refused(`TE.TE Transfer-Encoding: ${value}`, 'RFC 9112 6.1, 7', post(`Transfer-Encoding: ${value}\n`, `0\n\n${SMUGGLED}`)),
  ),
  refused('Transfer-Encoding twice', 'RFC 9112 6.1: applied once', post(`${CHUNKED}${CHUNKED}`, `0\n\n${SMUGGLED}`)),
  refused('Transfer-Encoding twice, one unknown', 'RFC 9112 6.1', post(`${CHUNKED}Transfer-Encoding: cow\n`, `0\n\n${SMUGGLED}`)),
  refused('empty Transfer-Encoding', 'RFC 9112 6.1', post('Transfer-Encoding:\n', `0\n\n${SMUGGLED}`)),
  refused('space before the colon of Transfer-Encoding', 'RFC 9112 5.1', post('Transfer-Encoding : chunked\n', `0\n\n${SMUGGLED}`)),
  refused('Transfer-Encoding behind a bare LF', 'RFC 9112 2.2', post('X: a{LF}Transfer-Encoding: chunked\n', `0\n\n${SMUGGLED}`)),
  refused('Transfer-Encoding behind a bare CR', 'RFC 9112 2.2', post('X: a{CR}Transfer-Encoding: chunked\n', `0\n\n${SMUGGLED}`)),
  refused('folded Transfer-Encoding', 'RFC 9112 5.2', post('Transfer-Encoding:\n chunked\n', `0\n\n${SMUGGLED}`)),
  refused('Transfer-Encoding in HTTP/1.0', 'RFC 9112 6.1: faulty framing', `POST /a HTTP/1.0\n${HOST}${CHUNKED}\n0\n\n${SMUGGLED}`),
  row(
    'underscore instead of hyphen is another field',
    'RFC 9110 5.1',
    1,
    post('Transfer_Encoding: chunked\nContent-Length: 5\n', 'hello'),
    { body: 'hello' },
  ),
  row('chunked in capitals', 'RFC 9112 7: names of codings have no case', 1, post('Transfer-Encoding: CHUNKED\n', '5\nhello\n0\n\n'), {
    body: 'hello',
  }),
  refused(
    'Connection names Transfer-Encoding',
    'RFC 9110 7.6.1: framing cannot be named away',
    post(`Connection: transfer-encoding\n${CHUNKED}Content-Length: 3\n`, `0\n\n${SMUGGLED}`),
  ),
]

const chunked = (name: string, why: string, forwards: number, body: string, more: Partial<RequestRow> = {}): RequestRow =>
  row(`chunks: ${name}`, why, forwards, post(CHUNKED, body), more)
const badChunk = (name: string, why: string, body: string): RequestRow => chunked(name, why, 0, body, { status: 400 })
const SIZE = 'RFC 9112 7.1: chunk-size is 1*HEXDIG'

const CHUNKS: readonly RequestRow[] = [
  chunked('one', SIZE, 1, '5\nhello\n0\n\n', { body: 'hello' }),
  chunked('capital hexadecimal', SIZE, 1, 'A\n0123456789\n0\n\n', { body: '0123456789' }),
  chunked('leading zeros', SIZE, 1, '0005\nhello\n000\n\n', { body: 'hello' }),
  chunked('extension', 'RFC 9112 7.1.1: an unknown extension is ignored', 1, '5;name=value\nhello\n0;last\n\n', { body: 'hello' }),
  chunked('quoted extension', 'RFC 9112 7.1.1', 1, '5;name="va;lue"\nhello\n0\n\n', { body: 'hello' }),
  chunked('trailer', 'RFC 9112 7.1.2', 1, '5\nhello\n0\nX-Sum: 1\n\n', { body: 'hello' }),
  chunked('trailer that names a length', 'RFC 9110 6.5.1: never merged into the head', 1, '5\nhello\n0\nContent-Length: 50\n\n', {
    body: 'hello',
  }),
  chunked('trailer that names a coding', 'RFC 9110 6.5.1', 1, '5\nhello\n0\nTransfer-Encoding: chunked\n\n', {
    body: 'hello',
    forwards: 1,
  }),
  chunked('trailer that names a host', 'RFC 9110 6.5.1', 1, '5\nhello\n0\nHost: evil\n\n', { body: 'hello' }),
  chunked('request behind the last chunk', 'RFC 9112 9.3.2', 2, `5\nhello\n0\n\n${get('')}`, { body: 'hello' }),
  ...[
    ['overflow of 64 bits', '10000000000000005\nhello\n0\n\n'],
    ['overflow of 53 bits', 'fffffffffffffff\nhello\n0\n\n'],
    ['plus', '+5\nhello\n0\n\n'],
    ['minus', '-5\nhello\n0\n\n'],
    ['0x', '0x5\nhello\n0\n\n'],
    ['blank before', ' 5\nhello\n0\n\n'],
    ['blank behind', '5 \nhello\n0\n\n'],
    ['tab behind', '5{TAB}\nhello\n0\n\n'],
    ['blank before an extension', '5 ;a=b\nhello\n0\n\n'],
    ['underscore', '0_5\nhello\n0\n\n'],
    ['empty size', '\nhello\n0\n\n'],
    ['letters', 'xyz\nhello\n0\n\n'],
    ['NUL', '5{NUL}\nhello\n0\n\n'],
    ['decimal point', '5.0\nhello\n0\n\n'],
    ['bare LF behind the size', '5{LF}hello\n0\n\n'],
    ['bare CR behind the size', '5{CR}hello\n0\n\n'],
    ['bare LF in an extension', `5;a{LF}bb\nhello\n0\n\n${SMUGGLED}`],
    ['bare CR in an extension', '5;a{CR}b\nhello\n0\n\n'],
    ['NUL in an extension', '5;a{NUL}b\nhello\n0\n\n'],
    ['no line end behind the data', '5\nhello0\n\n'],
    ['bare LF behind the data', '5\nhello{LF}0\n\n'],
    ['two octets instead of the line end', '5\nhelloXX0\n\n'],
    ['more data than its size', `5\nhello world\n0\n\n${SMUGGLED}`],
    ['less data than its size', '7\nhello\n0\n\n'],
    ['bare LF behind the last chunk', `5\nhello\n0{LF}{LF}${SMUGGLED}`],
    ['bare LF in a trailer', `5\nhello\n0\nX: a{LF}\n\n${SMUGGLED}`],
    ['folded trailer', '5\nhello\n0\nX: a\n b\n\n'],
    ['trailer without a colon', '5\nhello\n0\nnonsense\n\n'],
    ['endless extension', `5;${'a'.repeat(5000)}\nhello\n0\n\n`],
  ].map(([name = '', body = '']) => badChunk(name, SIZE, body)),
  chunked('end without the last empty line', 'RFC 9112 8: incomplete', 0, '5\nhello\n0\n', { status: 0 }),
]

const LINES: readonly RequestRow[] = [
  ...[
    ['bare LF behind the request line', `GET /a HTTP/1.1{LF}${HOST}\n`],
    ['bare CR behind the request line', `GET /a HTTP/1.1{CR}${HOST}\n`],
    ['bare LF between fields', get('A: b{LF}C: d\n')],
    ['bare CR in a value', get('A: b{CR}C: d\n')],
    ['bare CR at the end of a value', get('A: b{CR}\n')],
    ['bare LF LF as the end of the head', `GET /a HTTP/1.1\n${HOST}A: b{LF}{LF}${SMUGGLED}`],
    ['CR CR LF as the end of the head', `GET /a HTTP/1.1\n${HOST}A: b\n{CR}\n${SMUGGLED}`],
    ['NUL in a value', get('A: b{NUL}c\n')],
    ['NUL in a name', get('A{NUL}: b\n')],
    ['DEL in a value', get('A: b{DEL}\n')],
    ['bell in a value', get('A: b{BEL}\n')],
    ['fold with a blank', get('A: b\n c\n')],
    ['fold with a tab', get('A: b\n{TAB}c\n')],
    ['fold before the first field', `GET /a HTTP/1.1\n ${HOST}\n`],
    ['field without a colon', get('nonsense\n')],
    ['field without a name', get(': b\n')],
    ['blank in a name', get('A B: c\n')],
    ['slash in a name', get('A/B: c\n')],
    ['parenthesis in a name', get('A(B: c\n')],
    ['octet beyond ASCII in a name', get('A{E9}: c\n')],
    ['two blanks in the request line', `GET  /a HTTP/1.1\n${HOST}\n`],
    ['tab in the request line', `GET{TAB}/a HTTP/1.1\n${HOST}\n`],
    ['blank at the end of the request line', `GET /a HTTP/1.1 \n${HOST}\n`],
    ['blank before the method', ` GET /a HTTP/1.1\n${HOST}\n`],
    ['blank in the target', `GET /a b HTTP/1.1\n${HOST}\n`],
    ['NUL in the target', `GET /a{NUL}b HTTP/1.1\n${HOST}\n`],
    ['octet beyond ASCII in the target', `GET /{E9} HTTP/1.1\n${HOST}\n`],
    ['parenthesis in the method', `G(T /a HTTP/1.1\n${HOST}\n`],
    ['colon in the method', `GET: /a HTTP/1.1\n${HOST}\n`],
    ['HTTP/0.9', 'GET /a\n\n'],
    ['HTTP/1.2', `GET /a HTTP/1.2\n${HOST}\n`],
    ['HTTP/2.0', `GET /a HTTP/2.0\n${HOST}\n`],
    ['HTTP/1.10', `GET /a HTTP/1.10\n${HOST}\n`],
    ['HTTP/1.01', `GET /a HTTP/1.01\n${HOST}\n`],
    ['HTTP/-1.1', `GET /a HTTP/-1.1\n${HOST}\n`],
    ['HTTP/1', `GET /a HTTP/1\n${HOST}\n`],
    ['http/1.1 in small letters', `GET /a http/1.1\n${HOST}\n`],
    ['a huge version', `GET /a HTTP/4294967297.1\n${HOST}\n`],
    ['preface of HTTP/2 on a port for HTTP/1.1, cut', 'PRI /a HTTP/2.0\n\nSM\n\n'],
  ].map(([name = '', text = '']) => refused(name, 'RFC 9112 2.2, 3, 5', text)),
  row('empty lines before the request', 'RFC 9112 2.2: ignored', 1, `\n\n${get('')}`),
  row('method in small letters', 'RFC 9110 9.1: a method of its own, passed on as it is', 1, `get /a HTTP/1.1\n${HOST}\n`),
  row('unknown method with a body', 'RFC 9110 9.1', 1, `FOO /a HTTP/1.1\n${HOST}Content-Length: 5\n\nhello`, { body: 'hello' }),
  row('octets beyond ASCII in a value', 'RFC 9110 5.5: obs-text', 1, get('A: {E9}\n')),
  row('tab in a value', 'RFC 9110 5.5', 1, get('A: b{TAB}c\n')),
  row('empty value', 'RFC 9110 5.5', 1, get('A:\n')),
  refused(
    'too many fields',
    'Envoy: max_headers_count 100',
    get(Array.from({ length: 101 }, (_, index) => `A${index}: b\n`).join('')),
    431,
  ),
  refused('too large a head', 'Envoy: max_request_headers_kb 60', get(`A: ${'b'.repeat(61 * 1024)}\n`), 431),
]

const HOSTS: readonly RequestRow[] = [
  refused('no Host', 'RFC 9112 3.2', 'GET /a HTTP/1.1\n\n'),
  refused('two Hosts', 'RFC 9112 3.2', `GET /a HTTP/1.1\n${HOST}Host: evil\n\n`),
  refused('the same Host twice', 'RFC 9112 3.2', `GET /a HTTP/1.1\n${HOST}${HOST}\n`),
  refused('empty Host', 'RFC 9110 4.2.1', 'GET /a HTTP/1.1\nHost:\n\n'),
  ...[
    'user@app',
    'user:pw@app',
    'app/evil',
    'app?x',
    'app#x',
    'app, evil',
    'app evil',
    'app\\evil',
    'app"',
    'app<',
    'a{NUL}b',
    'app|x',
    '{E9}',
  ].map((host) => refused(`Host: ${host}`, 'RFC 9110 7.2, RFC 3986 3.2', `GET /a HTTP/1.1\nHost: ${host}\n\n`)),
  ...['app:x', 'app:99999', 'app:-1', 'app:80:80', 'app: 80'].map((host) =>
    refused(`port in Host: ${host}`, 'RFC 3986 3.2.3', `GET /a HTTP/1.1\nHost: ${host}\n\n`),
  ),
  row('Host with a port', 'RFC 9110 7.2', 1, 'GET /a HTTP/1.1\nHost: app:8080\n\n'),
  row('address as Host', 'RFC 3986 3.2.2', 1, 'GET /a HTTP/1.1\nHost: [::1]:8080\n\n'),
  row('absolute form wins over Host', 'RFC 9112 3.2.2', 1, 'GET http://target/a HTTP/1.1\nHost: other\n\n'),
  refused('absolute form with userinfo', 'RFC 9110 4.2.4', 'GET http://user@target/a HTTP/1.1\nHost: target\n\n'),
  refused('absolute form of another scheme', 'RFC 9112 3.2.2', 'GET ftp://target/a HTTP/1.1\nHost: target\n\n'),
  refused('absolute form and two Hosts', 'RFC 9112 3.2', 'GET http://target/a HTTP/1.1\nHost: a\nHost: b\n\n'),
  refused('authority form without CONNECT', 'RFC 9112 3.2.3', 'GET target:80 HTTP/1.1\nHost: target\n\n'),
  refused('fragment', 'RFC 9112 3.2.1', `GET /a#b HTTP/1.1\n${HOST}\n`),
  refused('asterisk without OPTIONS', 'RFC 9112 3.2.4', `GET * HTTP/1.1\n${HOST}\n`),
]

const PATHS: readonly RequestRow[] = [
  '/a/../b',
  '/a/%2e%2e/b',
  '/a//b',
  '/a;x=y/b',
  '/a%2fb',
  '/a%5cb',
  '/a?x=/../y',
  '/%61',
  '/a%zz',
  '/.',
  '/..;/b',
  '/a?b?c',
  '/a%20b',
  "/'",
].map((path) => row(`path ${path}`, 'RFC 3986 6: passed on as it was judged', 1, `GET ${path} HTTP/1.1\n${HOST}\n`))

const HOPS: readonly RequestRow[] = [
  row('Connection names a field', 'RFC 9110 7.6.1: it ends here', 1, get('Connection: x-foo\nX-Foo: 1\n')),
  row('Connection names Host', 'RFC 9110 7.6.1: what addresses the message cannot be named away', 1, get('Connection: host\n')),
  row(
    'Connection names the length',
    'RFC 9110 7.6.1: what frames the message cannot be named away',
    1,
    post('Connection: content-length\nContent-Length: 5\n', 'hello'),
    { body: 'hello' },
  ),
  row(
    'Upgrade: h2c',
    'RFC 9113 3.1: dropped',
    1,
    get('Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n'),
  ),
  row('Upgrade without Connection', 'RFC 9110 7.8: no upgrade', 1, get('Upgrade: websocket\n')),
  row('websocket where none is allowed', 'Envoy: upgrade_configs', 0, get('Connection: upgrade\nUpgrade: websocket\n'), { status: 403 }),
  row('Connection: close and one more', 'RFC 9112 9.6: nothing behind it is served', 1, `${get('Connection: close\n')}${SMUGGLED}`),
  row('Expect: 100-continue without a body', 'RFC 9110 10.1.1', 1, get('Expect: 100-continue\n')),
  row('three pipelined requests', 'RFC 9112 9.3.2: answered in order', 3, get('') + get('') + get('')),
  row('Proxy-Connection', 'RFC 9112 C.2.2: of this hop', 1, get('Proxy-Connection: keep-alive\n')),
  row('Keep-Alive', 'RFC 9110 7.6.1', 1, get('Keep-Alive: timeout=5\n')),
  row(
    'a GET behind a refused one',
    'RFC 9112 9.3.2: the connection ends with the refusal',
    0,
    `GET /a HTTP/1.1\nHost: a b\n\n${SMUGGLED}`,
    { status: 400 },
  ),
  row('HTTP/1.0 where it is not accepted', 'Envoy: accept_http_10', 0, 'GET /a HTTP/1.0\nHost: app\n\n', { status: 426 }),
  row('CONNECT where it is not configured', 'RFC 9110 9.3.6', 0, `CONNECT app:80 HTTP/1.1\nHost: app:80\n\n${SMUGGLED}`, { status: 404 }),
]

export const REQUEST_ROWS: readonly RequestRow[] = [...LENGTHS, ...BOTH, ...CHUNKS, ...LINES, ...HOSTS, ...PATHS, ...HOPS]

const OCTETS: Readonly<Record<string, string>> = {
  LF: '\n',
  CR: '\r',
  NUL: '\0',
  TAB: '\t',
  FF: '\f',
  VT: '\v',
  DEL: '\x7f',
  BEL: '\x07',
  E9: '\xe9',
}

/** The octets of a row's text, latin1. */
export function octets(text: string): string {
  return text.replaceAll('\n', '\r\n').replaceAll(/\{([A-Z0-9]+)\}/g, (_, name: string) => OCTETS[name] ?? '?')
}
