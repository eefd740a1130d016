// Which HTTP a plaintext connection speaks, by its first octets: what http_inspector does. Called by inspect.ts for each of them.
// Pure. Invariant: answers for good as soon as no further octet could change the answer, because a client may be waiting for the server.

/** As in a filter chain's application_protocols; 'none': something else. */
export type SniffedHttp = 'http/1.0' | 'http/1.1' | 'h2c' | 'none' | 'incomplete'

/** RFC 9113 3.4 */
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
/** A request line beyond this is not waited for (Envoy: HttpInspector's default of 8 KiB). */
const MAX_LINE_OCTETS = 8192
/** RFC 9110 5.6.2: a method is a token. */
const METHOD = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP\/1\.([01])$/

export function sniffHttp(octets: Buffer): SniffedHttp {
  const text = octets.toString('latin1', 0, MAX_LINE_OCTETS)
  if (PREFACE.startsWith(text.slice(0, PREFACE.length))) return text.length < PREFACE.length ? 'incomplete' : 'h2c'
  const end = text.search(/[\r\n]/)
  if (end >= 0) {
    const minor = REQUEST_LINE.exec(text.slice(0, end))?.[1]
    return minor === undefined ? 'none' : minor === '1' ? 'http/1.1' : 'http/1.0'
  }
  if (octets.length >= MAX_LINE_OCTETS) return 'none'
  const space = text.indexOf(' ')
  return METHOD.test(space < 0 ? text : text.slice(0, space)) ? 'incomplete' : 'none'
}
