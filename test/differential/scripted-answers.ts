// What the application says under /say/NAME: answers that are legal but rare, and answers that no proxy should pass on as they are.
// To the byte, because the point of most of them is one byte.

export interface ScriptedAnswer {
  readonly text: string
  /** The application ends the connection after it. */
  readonly closes: boolean
}

const open = (...lines: readonly string[]): ScriptedAnswer => ({ text: lines.join('\r\n'), closes: false })
const closing = (...lines: readonly string[]): ScriptedAnswer => ({ text: lines.join('\r\n'), closes: true })

export const SCRIPTED_ANSWERS: Readonly<Record<string, ScriptedAnswer>> = {
  // RFC 9112 6.3: a message with both is a way to smuggle.
  'length-and-chunked': closing('HTTP/1.1 200 OK', 'content-length: 5', 'transfer-encoding: chunked', '', '5', 'hello', '0', '', ''),
  'two-lengths': closing('HTTP/1.1 200 OK', 'content-length: 5', 'content-length: 6', '', 'hello'),
  'same-length-twice': closing('HTTP/1.1 200 OK', 'content-length: 5', 'content-length: 5', '', 'hello'),
  'length-list': closing('HTTP/1.1 200 OK', 'content-length: 5, 5', '', 'hello'),
  'negative-length': closing('HTTP/1.1 200 OK', 'content-length: -5', '', 'hello'),
  'bad-chunk': closing('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', 'zz', 'hello', '0', '', ''),
  'bad-version': closing('HTTP/9.1 200 OK', 'content-length: 0', '', ''),
  'not-http': closing('SSH-2.0-OpenSSH_9.6', ''),
  'bad-status': closing('HTTP/1.1 2x0 OK', 'content-length: 0', '', ''),
  'space-before-colon': closing('HTTP/1.1 200 OK', 'content-length : 0', '', ''),
  'nul-in-header': closing('HTTP/1.1 200 OK', 'x-nul: a\0b', 'content-length: 0', '', ''),
  'no-reason': open('HTTP/1.1 200 ', 'content-length: 2', '', 'ok'),
  'no-reason-no-space': open('HTTP/1.1 200', 'content-length: 2', '', 'ok'),
  'http10-answer': closing('HTTP/1.0 200 OK', 'x-upstream: old', '', 'until the end'),
  'short-body': closing('HTTP/1.1 200 OK', 'content-length: 50', '', 'only this'),
  'short-chunk': closing('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '50', 'only this'),
  'no-last-chunk': closing('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '5', 'hello', ''),
  'half-head': closing('HTTP/1.1 200 OK', 'content-le'),
  nothing: closing(''),
  trailers: open('HTTP/1.1 200 OK', 'transfer-encoding: chunked', 'trailer: x-sum', '', '5', 'hello', '0', 'x-sum: 5', '', ''),
  'chunk-extension': open('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '5;a=b', 'hello', '0', '', ''),
  hints: open('HTTP/1.1 103 Early Hints', 'link: </a.css>', '', 'HTTP/1.1 200 OK', 'content-length: 2', '', 'ok'),
  'unasked-continue': open('HTTP/1.1 100 Continue', '', 'HTTP/1.1 200 OK', 'content-length: 2', '', 'ok'),
  upgrade: open('HTTP/1.1 101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket', 'sec-websocket-accept: x', '', ''),
  'empty-value': open('HTTP/1.1 200 OK', 'x-empty:', 'x-spaces:   padded   ', 'content-length: 0', '', ''),
  'two-cookies': open('HTTP/1.1 200 OK', 'set-cookie: a=1', 'set-cookie: b=2', 'content-length: 0', '', ''),
  'odd-case': open('HTTP/1.1 200 OK', 'X-ODD-Case: Kept', 'CONTENT-LENGTH: 0', '', ''),
  'own-headers': open(
    'HTTP/1.1 200 OK',
    'date: Sun, 06 Nov 1994 08:49:37 GMT',
    'via: 1.1 app',
    'x-request-id: theirs',
    'x-envoy-upstream-service-time: 999',
    'x-envoy-attempt-count: 9',
    'content-length: 0',
    '',
    '',
  ),
  'no-server': open('HTTP/1.1 200 OK', 'content-length: 0', '', ''),
  'length-204': open('HTTP/1.1 204 No Content', 'content-length: 0', '', ''),
  'length-304': open('HTTP/1.1 304 Not Modified', 'content-length: 120', 'etag: "a"', '', ''),
  'close-after': closing('HTTP/1.1 200 OK', 'connection: close', 'content-length: 2', '', 'ok'),
  'folded-line': closing('HTTP/1.1 200 OK', 'x-folded: a', ' b', 'content-length: 0', '', ''),
  'bare-lf': closing('HTTP/1.1 200 OK\ncontent-length: 2\n\nok'),
  'status-299': open('HTTP/1.1 299 Odd But Legal', 'content-length: 0', '', ''),
  'status-600': open('HTTP/1.1 600 Too Far', 'content-length: 0', '', ''),
  'gzip-coding': closing('HTTP/1.1 200 OK', 'transfer-encoding: gzip, chunked', '', '5', 'hello', '0', '', ''),
  latin1: open('HTTP/1.1 200 OK', 'x-latin: caf\xe9', 'content-length: 0', '', ''),
  early: open('HTTP/1.1 413 Too Large', 'content-length: 3', '', 'big'),
}
