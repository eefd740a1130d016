// Text of a head -> MessageHead, or why not. Called by head-reader.ts once the empty line has arrived.
// Strict on purpose: whatever two parsers could read in two ways is refused, because the next hop may be the other parser (request
// smuggling). Each rule names its section. Invariant: a head that passes has exactly one meaning for its framing.
import { equalsIgnoreCase, isAuthority, isFieldValue, isTarget, isToken } from './characters.ts'
import { FIELD, fieldKind } from './fields.ts'
import type { MessageHead } from './head.ts'

export type HeadProblem =
  | 'bad-start-line'
  | 'bad-target'
  | 'bad-version'
  | 'bad-field-name'
  | 'bad-field-value'
  | 'whitespace-before-colon'
  | 'obs-fold'
  | 'bare-line-break'
  | 'too-many-fields'
  | 'too-large'
  | 'content-length-invalid'
  | 'content-length-repeated'
  | 'transfer-encoding-invalid'
  | 'length-and-chunked'
  | 'transfer-encoding-in-http10'
  | 'missing-host'
  | 'several-hosts'
  | 'bad-host'
  | 'forbidden-length'

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const COLON = 0x3a
const OPENING_BRACKET = 0x5b
const ZERO = 0x30

/** Parses a request head. `text` ends with the CRLF of the last line, the empty line excluded. */
export function parseRequestHead(head: MessageHead, text: string, maxFields: number): HeadProblem | undefined {
  head.reset(text)
  let at = 0
  while (isToken(text.charCodeAt(at))) at++
  // RFC 9112 3: exactly one space on each side of the target.
  if (at === 0 || text.charCodeAt(at) !== SPACE) return 'bad-start-line'
  head.method = text.slice(0, at)
  const targetStart = at + 1
  at = targetStart
  while (isTarget(text.charCodeAt(at))) at++
  if (at === targetStart) return 'bad-start-line'
  if (text.charCodeAt(at) !== SPACE) return 'bad-target'
  head.target = text.slice(targetStart, at)
  const version = minorVersion(text, at + 1)
  if (version === -1 || text.charCodeAt(at + 9) !== CR) return 'bad-version'
  if (text.charCodeAt(at + 10) !== LF) return 'bare-line-break'
  head.minorVersion = version
  return parseFields(head, text, at + 11, maxFields) ?? checkFraming(head) ?? checkRequest(head)
}

/** Parses a response head; the reason phrase may be empty. */
export function parseResponseHead(head: MessageHead, text: string, maxFields: number): HeadProblem | undefined {
  head.reset(text)
  const version = minorVersion(text, 0)
  if (version === -1) return 'bad-version'
  head.minorVersion = version
  const hundreds = text.charCodeAt(9) - ZERO
  const tens = text.charCodeAt(10) - ZERO
  const units = text.charCodeAt(11) - ZERO
  // RFC 9110 15: three digits, the first between 1 and 5 (some servers use 6xx to 9xx: forwarded as they are).
  if (text.charCodeAt(8) !== SPACE || !(hundreds >= 1 && hundreds <= 9) || !(tens >= 0 && tens <= 9) || !(units >= 0 && units <= 9)) {
    return 'bad-start-line'
  }
  head.status = hundreds * 100 + tens * 10 + units
  let at = 12
  if (text.charCodeAt(at) === SPACE) while (isFieldValue(text.charCodeAt(at))) at++
  if (text.charCodeAt(at) !== CR) return 'bad-start-line'
  if (text.charCodeAt(at + 1) !== LF) return 'bare-line-break'
  return parseFields(head, text, at + 2, maxFields) ?? checkFraming(head) ?? checkResponse(head)
}

/** Parses trailer lines, or the fields of a head from `start`. */
export function parseFields(head: MessageHead, text: string, start: number, maxFields: number): HeadProblem | undefined {
  head.fieldsStart = start
  head.fieldsEnd = text.length
  let at = start
  while (at < text.length) {
    const nameStart = at
    while (isToken(text.charCodeAt(at))) at++
    const nameEnd = at
    if (text.charCodeAt(at) !== COLON || nameEnd === nameStart) return nameProblem(text, nameStart, at)
    at++
    while (text.charCodeAt(at) === SPACE || text.charCodeAt(at) === TAB) at++
    const valueStart = at
    while (isFieldValue(text.charCodeAt(at))) at++
    let valueEnd = at
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) return valueProblem(text.charCodeAt(at))
    at += 2
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd--
    if (head.fieldCount === maxFields) return 'too-many-fields'
    const kind = fieldKind(text, nameStart, nameEnd)
    head.add(kind, nameStart, nameEnd, valueStart, valueEnd)
    if (kind !== FIELD.ordinary) {
      const problem = steer(head, kind, text, valueStart, valueEnd)
      if (problem !== undefined) return problem
    }
  }
  return undefined
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB
}

/** RFC 9112 2.2: a bare CR or LF ends no line here, and no other control is a character. */
function valueProblem(code: number): HeadProblem {
  return code === LF || code === CR ? 'bare-line-break' : 'bad-field-value'
}

function nameProblem(text: string, nameStart: number, at: number): HeadProblem {
  const code = text.charCodeAt(at)
  if (code === LF || code === CR) return 'bare-line-break'
  if (!isBlank(code)) return 'bad-field-name'
  // RFC 9112 5.2: a line that begins with whitespace continues the one before. RFC 9112 5.1: none between name and colon.
  return at === nameStart ? 'obs-fold' : 'whitespace-before-colon'
}

/** Fields that decide this hop's framing and persistence. */
function steer(head: MessageHead, kind: number, text: string, start: number, end: number): HeadProblem | undefined {
  if (kind === FIELD.contentLength) {
    // RFC 9112 6.3: several values, or a value that is not a number, are unrecoverable; a repeated equal one is refused too.
    if (head.contentLength !== -1) return 'content-length-repeated'
    const length = decimal(text, start, end)
    if (length === -1) return 'content-length-invalid'
    head.contentLength = length
  } else if (kind === FIELD.transferEncoding) {
    // RFC 9112 6.1: chunked last, and applied once. No other coding is spoken by anyone we forward to.
    if (head.chunked || end - start !== 7 || !equalsIgnoreCase(text, start, 'chunked')) return 'transfer-encoding-invalid'
    head.chunked = true
  } else if (kind === FIELD.connection) {
    // The two that nearly every message has, without taking the value apart.
    if (end - start === 10 && equalsIgnoreCase(text, start, 'keep-alive')) head.keepAliveOption = true
    else if (end - start === 5 && equalsIgnoreCase(text, start, 'close')) head.closeOption = true
    else readConnectionOptions(head, text.slice(start, end))
  }
  return undefined
}

function readConnectionOptions(head: MessageHead, value: string): void {
  for (const part of value.split(',')) {
    const option = part.trim().toLowerCase()
    if (option === 'close') head.closeOption = true
    else if (option === 'keep-alive') head.keepAliveOption = true
    else if (option === 'upgrade') head.upgradeOption = true
    else if (option !== '') {
      head.hopFields ??= []
      head.hopFields.push(option)
    }
  }
}

function checkFraming(head: MessageHead): HeadProblem | undefined {
  if (!head.chunked) return undefined
  // RFC 9112 6.1: both is an attempt at smuggling; Transfer-Encoding in HTTP/1.0 means faulty framing.
  if (head.contentLength !== -1) return 'length-and-chunked'
  return head.minorVersion === 0 ? 'transfer-encoding-in-http10' : undefined
}

function checkRequest(head: MessageHead): HeadProblem | undefined {
  const host = head.first(FIELD.host)
  if (host === -1) return head.minorVersion === 0 ? undefined : 'missing-host'
  // RFC 9112 3.2: more than one Host field is 400.
  for (let index = host + 1; index < head.fieldCount; index++) if (head.kindAt(index) === FIELD.host) return 'several-hosts'
  return isAuthorityText(head.valueAt(host)) ? undefined : 'bad-host'
}

function checkResponse(head: MessageHead): HeadProblem | undefined {
  // RFC 9110 8.6, RFC 9112 6.1: neither field in 1xx or 204.
  const bodiless = head.status < 200 || head.status === 204
  return bodiless && (head.chunked || head.contentLength > 0) ? 'forbidden-length' : undefined
}

/** Host, or host and port (RFC 9110 7.2, RFC 3986 3.2): no userinfo, a port that is one. An empty text is legal where the target has no
 *  authority. Whoever cuts at the first colon and whoever cuts at the last one must find the same name. */
export function isAuthorityText(value: string): boolean {
  let colons = 0
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (!isAuthority(code)) return false
    if (code === COLON) colons++
  }
  if (value.charCodeAt(0) === OPENING_BRACKET) return isLiteralWithPort(value)
  if (value.includes('[') || value.includes(']')) return false
  return colons === 0 || (colons === 1 && isPort(value, value.indexOf(':') + 1))
}

/** `[address]` of IPv6 or later, and a port perhaps. */
function isLiteralWithPort(value: string): boolean {
  const end = value.indexOf(']')
  if (end < 3 || value.indexOf('[', 1) !== -1 || value.indexOf(']', end + 1) !== -1) return false
  return end + 1 === value.length || (value.charCodeAt(end + 1) === COLON && isPort(value, end + 2))
}

/** To the end of the text; none is legal (RFC 3986 3.2.3). */
function isPort(text: string, start: number): boolean {
  return (
    start === text.length ||
    (text.length - start <= 5 && decimal(text, start, text.length) >= 0 && decimal(text, start, text.length) <= 65_535)
  )
}

function minorVersion(text: string, at: number): -1 | 0 | 1 {
  if (!text.startsWith('HTTP/1.', at)) return -1
  const digit = text.charCodeAt(at + 7) - ZERO
  return digit === 0 || digit === 1 ? digit : -1
}

/** Digits only, at most 15 (exact in a double), else -1. RFC 9110 8.6. */
function decimal(text: string, start: number, end: number): number {
  if (end === start || end - start > 15) return -1
  let value = 0
  for (let index = start; index < end; index++) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return -1
    value = value * 10 + digit
  }
  return value
}
