// What makes a field section malformed (RFC 9113 sections 8.1-8.3). Called by connection.ts for every received block.
// Invariant: what passes here can be written as HTTP/1.1 without changing meaning: no upper case, no control characters, no
// connection-specific fields, pseudo-fields once and first. That is what closes the door on request smuggling by downgrade.
import type { FieldList } from './hpack-decoder.ts'

export type SectionKind = 'request' | 'response' | 'trailers'

const COLON = 0x3a
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
const REQUEST_PSEUDO = new Set([':method', ':scheme', ':path', ':authority', ':protocol'])

/** Undefined when well-formed, else what is wrong. */
export function malformed(fields: FieldList, kind: SectionKind): string | undefined {
  const end = endOfPseudoFields(fields)
  if (end > 2 * REQUEST_PSEUDO.size) return 'more pseudo-fields than there are (8.3)'
  for (let at = 0; at < fields.length; at += 2) {
    const name = fields[at] ?? ''
    const value = fields[at + 1] ?? ''
    if (at < end) {
      if (pseudoField(fields, at, name) !== undefined) return `${name} twice (8.3)`
    } else {
      if (name.charCodeAt(0) === COLON) return `${name} after a regular field (8.3)`
      const problem = badField(name, value)
      if (problem !== undefined) return problem
    }
    if (!validValue(value)) return `the value of ${name} has a forbidden character (8.2.1)`
  }
  if (kind === 'trailers') return end > 0 ? 'trailers carry a pseudo-field (8.1)' : undefined
  if (kind === 'response') return badResponse(fields, end)
  if (contradictingHost(fields, pseudoField(fields, end, ':authority'))) return 'host says otherwise than :authority (8.3.1)'
  return badRequest(fields, end)
}

/** They come first; where the regular ones begin. */
function endOfPseudoFields(fields: FieldList): number {
  let end = 0
  while (fields[end]?.charCodeAt(0) === COLON) end += 2
  return end
}

/** The value of one of the pseudo-fields before `end`. There are five at most: looked for, they cost no map for each section. */
function pseudoField(fields: FieldList, end: number, name: string): string | undefined {
  for (let at = 0; at < end; at += 2) if (fields[at] === name) return fields[at + 1] ?? ''
  return undefined
}

/** Two names for one request would be two readings of it: :authority is routed, an application may look at Host. */
function contradictingHost(fields: FieldList, authority: string | undefined): boolean {
  let said = authority
  for (let at = 0; at < fields.length; at += 2) {
    if (fields[at] !== 'host') continue
    if (said !== undefined && fields[at + 1]?.toLowerCase() !== said.toLowerCase()) return true
    said = fields[at + 1]
  }
  return false
}

function badField(name: string, value: string): string | undefined {
  if (!validName(name)) return `the field name ${JSON.stringify(name.slice(0, 64))} is not lower-case token characters (8.2.1)`
  if (CONNECTION_SPECIFIC.has(name)) return `${name} is connection-specific (8.2.2)`
  if (name === 'te' && value !== 'trailers') return 'te is other than trailers (8.2.2)'
  return undefined
}

function badResponse(fields: FieldList, end: number): string | undefined {
  const status = pseudoField(fields, end, ':status')
  if (status === undefined || end !== 2) return 'a response has :status and no other pseudo-field (8.3.2)'
  return /^[1-9]\d\d$/.test(status) && status !== '101'
    ? undefined
    : `:status ${JSON.stringify(status.slice(0, 16))} is not a status (8.3.2)`
}

function badRequest(fields: FieldList, end: number): string | undefined {
  for (let at = 0; at < end; at += 2) {
    const name = fields[at] ?? ''
    if (!REQUEST_PSEUDO.has(name)) return `unknown pseudo-field ${name.slice(0, 64)} (8.3)`
  }
  const method = pseudoField(fields, end, ':method')
  const protocol = pseudoField(fields, end, ':protocol')
  if (method === undefined || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(method)) return ':method is missing or no token (8.3.1)'
  if (method === 'CONNECT' && protocol === undefined) {
    return pseudoField(fields, end, ':authority') !== undefined && end === 4 ? undefined : 'CONNECT has :method and :authority only (8.5)'
  }
  // RFC 8441 4; nobody is invited to use it otherwise (8.3: unknown).
  if (method !== 'CONNECT' && protocol !== undefined) return ':protocol without CONNECT (RFC 8441 4)'
  if (!isScheme(pseudoField(fields, end, ':scheme'))) return ':scheme is missing or none (8.3.1)'
  const path = pseudoField(fields, end, ':path')
  const wellFormed = path !== undefined && (path.startsWith('/') || (path === '*' && method === 'OPTIONS')) && !/\s/.test(path)
  return wellFormed ? undefined : ':path is missing or does not begin with a slash (8.3.1)'
}

/** RFC 3986 3.1. */
function isScheme(value: string | undefined): boolean {
  return value === 'http' || value === 'https' || (value !== undefined && /^[A-Za-z][A-Za-z0-9+.-]*$/.test(value))
}

/** Token characters without upper case (RFC 9110 5.6.2). */
function validName(name: string): boolean {
  return /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)
}

/** No NUL, CR, LF; no white space at either end. */
function validValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at)
    if (code === 0 || code === 10 || code === 13) return false
  }
  return value.length === 0 || (!isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(value.length - 1)))
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09
}
