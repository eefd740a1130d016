// The head that the client gets: the upstream's lines without those of its hop, and what Envoy's router and codec add.
// Local answers (failures, redirects, direct responses) are made here too, so that all responses look alike.
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { BodyKind, BodyOutput } from '../http1/body-reader.ts'
import { FIELD, FIELD_KINDS } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import type { MutationPlan } from './header-mutations.ts'
import { type CameWith, MutatedFields } from './mutated-fields.ts'
import { DROP, KEEP, travellingLines, travellingValue } from './outgoing-head.ts'
import { reasonPhrase } from './reason-phrase.ts'

export interface ResponseHeadInputs {
  readonly manager: HttpConnectionManager
  readonly dateLine: string
  /** Undefined: local answer. */
  readonly serviceTimeMs: number | undefined
  /** 0: not written. */
  readonly attempts: number
  readonly requestId: string
  readonly mutations: MutationPlan | undefined
  readonly expand: (template: string) => string
  readonly clientMinorVersion: number
  readonly closes: boolean
}

/** How the body's framing changes between upstream and client. */
export type FramingChange = 'none' | 'add-chunked' | 'drop-chunked'

export interface ResponseFraming {
  readonly framing: FramingChange
  readonly output: BodyOutput
  /** Only the end of the connection can tell the client where the body ends. */
  readonly closes: boolean
}

/** How the body leaves, by how it comes and what the client understands (RFC 9112 6.1: no chunks to HTTP/1.0). */
export function responseFraming(kind: BodyKind, clientMinorVersion: number): ResponseFraming {
  if (clientMinorVersion === 0) {
    const closes = kind === 'until-close' || kind === 'chunked'
    return kind === 'chunked' ? { framing: 'drop-chunked', output: 'payload', closes } : { framing: 'none', output: 'raw', closes }
  }
  // The end must be seen without closing the client's connection, as Envoy does.
  return kind === 'until-close' ? { framing: 'add-chunked', output: 'chunked', closes: false } : AS_IT_COMES
}

const AS_IT_COMES: ResponseFraming = { framing: 'none', output: 'raw', closes: false }

const disposition = new Uint8Array(FIELD_KINDS)
disposition[FIELD.connection] = DROP
disposition[FIELD.keepAlive] = DROP
disposition[FIELD.proxyConnection] = DROP
disposition[FIELD.peerMetadata] = DROP
disposition[FIELD.peerMetadataId] = DROP
disposition[FIELD.serviceTime] = DROP
const noneInternal = (): boolean => false

/** @param extraLines ready lines of a switch of protocols. */
export function responseHead(head: MessageHead, framing: FramingChange, inputs: ResponseHeadInputs, extraLines = ''): string {
  const { manager } = inputs
  const server = manager.serverHeader
  const upgrades = head.status === 101
  disposition[FIELD.server] = server.kind === 'overwrite' ? DROP : KEEP
  // RFC 9112 6.1: HTTP/1.0 knows none, not even where HEAD has no body.
  disposition[FIELD.transferEncoding] = framing === 'drop-chunked' || inputs.clientMinorVersion === 0 ? DROP : KEEP
  disposition[FIELD.upgrade] = upgrades ? KEEP : DROP
  // The client's version decides the status line's (Envoy answers HTTP/1.0 with HTTP/1.0).
  // RFC 9110 8.6: no length where there can be no content.
  disposition[FIELD.contentLength] = head.status === 204 || head.status < 200 ? DROP : KEEP
  disposition[FIELD.attemptCount] = inputs.attempts > 0 ? DROP : KEEP
  disposition[FIELD.requestId] = manager.requestId.alwaysInResponse && inputs.requestId !== '' ? DROP : KEEP
  const before = beforeRoute(inputs)
  const mutated = mutatedFields(inputs, before, (name, first) => travellingValue(head, name, first, disposition, noneInternal))
  const lines = mutated?.lines ?? before
  let text = `HTTP/1.${inputs.clientMinorVersion}${head.text.slice(8, head.fieldsStart)}`
  text += travellingLines(head, disposition, mutated?.dropped, noneInternal)
  text += lines
  if (mutated === undefined ? !head.has(FIELD.date) : mutated.get('date') === undefined) text += inputs.dateLine
  const hasServer = mutated === undefined ? head.has(FIELD.server) : mutated.get('server') !== undefined
  if (server.kind === 'overwrite' || (server.kind === 'append-if-absent' && !hasServer)) text += `server: ${server.name}\r\n`
  if (framing === 'add-chunked') text += 'transfer-encoding: chunked\r\n'
  if (upgrades) text += `connection: upgrade\r\n${extraLines}`
  return text + afterRoute(inputs)
}

const INTERIM = new Uint8Array(FIELD_KINDS)
for (const kind of [
  FIELD.connection,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.upgrade,
  FIELD.transferEncoding,
  FIELD.contentLength,
  FIELD.peerMetadata,
  FIELD.peerMetadataId,
]) {
  INTERIM[kind] = DROP
}

/** A 1xx on its way (RFC 9110 15.2), without what is of the hop that it came over: also what its Connection names (7.6.1). */
export function interimHead(head: MessageHead): string {
  return `HTTP/1.1${head.text.slice(8, head.fieldsStart)}${travellingLines(head, INTERIM, undefined, noneInternal)}\r\n`
}

/** An answer of the proxy's own. `fields` are further lines, each with its line end. */
export function localHead(status: number, bodyLength: number, fields: string, inputs: ResponseHeadInputs): string {
  const { manager } = inputs
  const before = `${fields}${beforeRoute(inputs)}`
  const mutated = mutatedFields(inputs, before, () => undefined)
  // A type of nothing: Envoy leaves it out, whatever the route says.
  if (bodyLength === 0 && !fields.includes('content-type:')) mutated?.drop('content-type')
  let text = `HTTP/1.${inputs.clientMinorVersion} ${status} ${reasonPhrase(status)}\r\n`
  // RFC 9110 8.6: 304 may only name the length that 200 would have had, which nobody knows here.
  if (status >= 200 && status !== 204 && status !== 304) text += `content-length: ${bodyLength}\r\n`
  if (bodyLength > 0 && mutated?.get('content-type') === undefined) text += 'content-type: text/plain\r\n'
  text += mutated?.lines ?? before
  if (mutated?.get('date') === undefined) text += inputs.dateLine
  const server = manager.serverHeader.kind
  if (server === 'overwrite' || (server === 'append-if-absent' && mutated?.get('server') === undefined))
    text += `server: ${manager.serverHeader.name}\r\n`
  return text + afterRoute(inputs)
}

/** What a mutation of the route may change or remove: Envoy's router writes it before it asks the route. */
function beforeRoute(inputs: ResponseHeadInputs): string {
  let text = ''
  if (inputs.serviceTimeMs !== undefined) text += `x-envoy-upstream-service-time: ${inputs.serviceTimeMs}\r\n`
  if (inputs.attempts > 0) text += `x-envoy-attempt-count: ${inputs.attempts}\r\n`
  return text
}

function mutatedFields(inputs: ResponseHeadInputs, before: string, cameWith: CameWith): MutatedFields | undefined {
  const { mutations, manager } = inputs
  if (mutations === undefined) return undefined
  const mutated = new MutatedFields(cameWith, before).apply(mutations, inputs.expand)
  if (manager.serverHeader.kind === 'overwrite') mutated.drop('server')
  if (manager.requestId.alwaysInResponse && inputs.requestId !== '') mutated.drop('x-request-id')
  return mutated
}

/** What Envoy's connection manager writes behind everyone else. */
function afterRoute(inputs: ResponseHeadInputs): string {
  const { manager } = inputs
  let text = ''
  if (manager.requestId.alwaysInResponse && inputs.requestId !== '') text += `x-request-id: ${inputs.requestId}\r\n`
  if (manager.via !== undefined) text += `via: ${manager.via}\r\n`
  if (inputs.closes) text += 'connection: close\r\n'
  else if (inputs.clientMinorVersion === 0) text += 'connection: keep-alive\r\n'
  return `${text}\r\n`
}
