// Heads between the two protocols. Inside the proxy a head is HTTP/1.1 text, parsed by the strict parser of http1: what arrives as
// HTTP/2 fields is written as that text (and so meets every check a second time), and what leaves as HTTP/2 is read from it.
// Invariant: no field of the HTTP/1.1 hop crosses (RFC 9113 8.2.2), and no pseudo-field can be made by a field's value.
import { FORBIDDEN_TRAILERS } from '../http1/chunked-reader.ts'
import { FIELD, fieldKind } from '../http1/fields.ts'
import type { FieldList } from './hpack-decoder.ts'

/** A request's fields, already found well-formed (header-rules.ts), as text. @param end nothing follows the head. */
export function requestText(fields: FieldList, end: boolean): string {
  let method = ''
  let path = ''
  let authority = ''
  let protocol = ''
  let at = 0
  for (; fields[at]?.charCodeAt(0) === COLON; at += 2) {
    const name = fields[at]
    const value = fields[at + 1] ?? ''
    if (name === ':method') method = value
    else if (name === ':path') path = value
    else if (name === ':authority') authority = value
    else if (name === ':protocol') protocol = value
  }
  const rest = regularFields(fields, at)
  // RFC 9113 8.3.1: :authority stands for Host, and a Host beside it says the same; checked by header-rules.ts.
  const host = authority === '' ? rest.host : authority
  // RFC 8441 4: what HTTP/1.1 says by GET and Upgrade.
  if (protocol !== '') return `GET ${path} HTTP/1.1\r\nhost: ${host}\r\n${rest.lines}connection: upgrade\r\nupgrade: ${protocol}\r\n`
  let text = `${method} ${method === 'CONNECT' ? authority : path} HTTP/1.1\r\n`
  if (host !== '') text += `host: ${host}\r\n`
  text += rest.lines
  return rest.hasLength || end || method === 'CONNECT' ? text : `${text}transfer-encoding: chunked\r\n`
}

function regularFields(fields: FieldList, from: number): { readonly host: string; readonly lines: string; readonly hasLength: boolean } {
  let host = ''
  let cookies = ''
  let hasLength = false
  let lines = ''
  for (let at = from; at < fields.length; at += 2) {
    const name = fields[at] ?? ''
    const value = fields[at + 1] ?? ''
    if (name === 'host') host = value
    // RFC 9113 8.2.3: crumbs become one field again.
    else if (name === 'cookie') cookies = cookies === '' ? value : `${cookies}; ${value}`
    else if (name !== 'content-length') lines += `${name}: ${value}\r\n`
    else if (!hasLength) {
      // Said twice it is the same value (header-rules.ts); HTTP/1.1 must say it once.
      hasLength = true
      lines += `${name}: ${value}\r\n`
    }
  }
  return { host, lines: cookies === '' ? lines : `${lines}cookie: ${cookies}\r\n`, hasLength }
}

/** A response's fields as text. @param reason the phrase of the status. @param framed whether content may follow that needs a framing. */
export function responseText(fields: FieldList, reason: (status: number) => string, framed: boolean): string {
  const status = fields[1] ?? ''
  let text = `HTTP/1.1 ${status} ${reason(Number(status))}\r\n`
  let hasLength = false
  for (let at = 2; at < fields.length; at += 2) {
    const name = fields[at] ?? ''
    if (name === 'content-length') {
      if (hasLength) continue
      hasLength = true
    }
    text += `${name}: ${fields[at + 1] ?? ''}\r\n`
  }
  return framed && !hasLength ? `${text}transfer-encoding: chunked\r\n` : text
}

/** Trailers as lines, without those that would be read as part of a head (RFC 9110 6.5.1). */
export function trailerText(fields: FieldList): string {
  let text = ''
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? ''
    if (fieldKind(name, 0, name.length) === FIELD.ordinary && !FORBIDDEN_TRAILERS.has(name)) text += `${name}: ${fields[at + 1] ?? ''}\r\n`
  }
  return text
}

/** The fields of a request head that request-head.ts wrote. @param upgrade what it asks to speak instead of HTTP, '' for nothing. */
export function requestFields(text: string, scheme: string, upgrade = ''): string[] {
  const methodEnd = text.indexOf(' ')
  const targetEnd = text.indexOf(' ', methodEnd + 1)
  const method = text.slice(0, methodEnd)
  const target = text.slice(methodEnd + 1, targetEnd)
  // RFC 9113 8.5: CONNECT has neither scheme nor path.
  const fields =
    method === 'CONNECT'
      ? [':method', method, ':authority', target]
      : [':method', upgrade === '' ? method : 'CONNECT', ':authority', hostOf(text), ':scheme', scheme, ':path', target]
  if (upgrade !== '' && method !== 'CONNECT') fields.push(':protocol', upgrade)
  readLines(text, text.indexOf('\n') + 1, fields)
  return fields
}

/** The fields of a response head that response-head.ts wrote. */
export function responseFields(text: string): string[] {
  const status = text.slice(9, 12)
  // RFC 8441 4: HTTP/2 has no 101; 200 opens the tunnel.
  const fields = [':status', status === '101' ? '200' : status]
  readLines(text, text.indexOf('\n') + 1, fields)
  return fields
}

export function trailerFields(lines: string): string[] {
  const fields: string[] = []
  readLines(lines, 0, fields)
  return fields
}

const COLON = 0x3a
const SPACE = 0x20
const CR = 0x0d
const TAB = 0x09

/** Of one HTTP/1.1 hop, or said otherwise in HTTP/2 (RFC 9113 8.2.2). */
const HOP = new Set(['host', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings'])

function hostOf(text: string): string {
  const start = text.search(HOST_LINE)
  return start === -1 ? '' : text.slice(text.indexOf(':', start) + 1, text.indexOf('\r\n', start + 2)).trim()
}

const HOST_LINE = /\r\nhost:/i

function readLines(text: string, from: number, fields: string[]): void {
  let at = from
  while (at < text.length && text.charCodeAt(at) !== CR) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    let start = colon + 1
    while (isBlank(text.charCodeAt(start))) start++
    let stop = end
    while (stop > start && isBlank(text.charCodeAt(stop - 1))) stop--
    const name = text.slice(at, colon).toLowerCase()
    if (!HOP.has(name) && !isOtherTe(name, text, start, stop)) fields.push(name, text.slice(start, stop))
    at = end + 2
  }
}

/** RFC 9113 8.2.2: TE says 'trailers' or is not there. */
function isOtherTe(name: string, text: string, start: number, stop: number): boolean {
  return name === 'te' && text.slice(start, stop) !== 'trailers'
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}
