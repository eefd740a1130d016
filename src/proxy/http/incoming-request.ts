// The request as policies, routes and logs see it: what came, with the few fields that this proxy decides (id, path, addresses).
// One per downstream connection, filled anew for each request. Nothing is copied out of the head before somebody asks.
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { RequestView } from '../decide/request-view.ts'
import { FIELD } from '../http1/fields.ts'
import type { MessageHead } from '../http1/head.ts'
import type { HeadView } from '../telemetry/outcome.ts'
import { endsBeforeMatching } from './internal-headers.ts'
import type { MutatedFields } from './mutated-fields.ts'
import { travellingTe } from './te-field.ts'

/** What `get` answers from this hop's own judgement and not from the head. */
const DECIDED_HERE: ReadonlySet<string> = new Set([
  ...[':method', ':path', ':authority', ':scheme', 'host'],
  ...['x-request-id', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-client-cert', 'te'],
])

const HOP_FIELDS: ReadonlySet<string> = new Set(['keep-alive', 'proxy-connection', 'transfer-encoding'])

export interface ForwardedChanges {
  readonly path: string
  readonly authority: string
  /** Undefined: no header was changed. */
  readonly fields: MutatedFields | undefined
}

export class IncomingRequest implements RequestView, HeadView {
  readonly head: MessageHead
  method = ''
  /** As received, in origin form; '' for CONNECT. */
  path = ''
  authority = ''
  scheme: 'http' | 'https' = 'http'
  requestId = ''
  /** The request came with an id that is kept: its line travels as it is. */
  keepsRequestId = false
  /** The peer is the user (use_remote_address): nothing of Envoy's own is taken from it. */
  edge = false
  /** x-forwarded-proto is this hop's to say. */
  ownsProto = false
  /** Value to forward; undefined leaves the field alone. */
  forwardedFor: string | undefined
  /** What goes on as x-forwarded-client-cert: not what a stranger claims. Worked out when asked. */
  clientCert: ((head: MessageHead) => string | undefined) | undefined
  /** The target named its own authority (RFC 9112 3.2.2), or routing changes it: the Host line is written anew. */
  absoluteForm = false
  /** The client is to ask again for `path`, which everyone reads in one way (Envoy: UNESCAPE_AND_REDIRECT). */
  redirectsToPath = false
  /** What the upstream was sent in place of what came; undefined: nothing was changed, or nothing sent. */
  forwarded: ForwardedChanges | undefined
  /** Lower-case token of an upgrade that is allowed and will be passed on. */
  upgrade = ''

  constructor(head: MessageHead) {
    this.head = head
  }

  testHeader(lowerName: string, test: (value: string) => boolean): boolean | undefined {
    return this.testAnyHeader(lowerName, test)
  }

  /** Fields of this hop are gone before anyone judges the request (RFC 9110 7.6.1), so that nobody routes by what is not sent on. */
  #endsHere(lowerName: string): boolean {
    if (HOP_FIELDS.has(lowerName)) return true
    if (lowerName === 'connection' || lowerName === 'upgrade') return this.upgrade === ''
    if (lowerName.startsWith('x-envoy-')) return endsBeforeMatching(lowerName, this.edge)
    return this.head.hopFields?.includes(lowerName) === true
  }

  /** The same with what this hop made of the request: pseudo headers, and the forwarding fields as the application will see them. */
  testAnyHeader(lowerName: string, test: (value: string) => boolean): boolean | undefined {
    if (!DECIDED_HERE.has(lowerName)) return this.#endsHere(lowerName) ? undefined : this.head.test(lowerName, test)
    const value = this.get(lowerName)
    return value === undefined ? undefined : test(value)
  }

  get(lowerName: string): string | undefined {
    if (this.forwarded !== undefined) return this.#getForwarded(this.forwarded, lowerName, false)
    return this.received(lowerName)
  }

  firstLine(lowerName: string): string | undefined {
    if (this.forwarded !== undefined) return this.#getForwarded(this.forwarded, lowerName, true)
    return this.#firstReceived(lowerName)
  }

  #firstReceived(lowerName: string): string | undefined {
    if (DECIDED_HERE.has(lowerName)) return this.received(lowerName)
    return this.#endsHere(lowerName) ? undefined : this.head.firstLine(lowerName)
  }

  #getForwarded({ path, authority, fields }: ForwardedChanges, lowerName: string, first: boolean): string | undefined {
    if (lowerName === ':path') return path
    if (lowerName === ':authority' || lowerName === 'host') return authority
    if (lowerName === 'x-envoy-original-path' && path !== this.path) return this.path
    if (fields === undefined || lowerName.startsWith(':')) return first ? this.#firstReceived(lowerName) : this.received(lowerName)
    return first ? fields.firstLine(lowerName) : fields.get(lowerName)
  }

  /** As it came, whatever the route made of it since. */
  received(lowerName: string): string | undefined {
    switch (lowerName) {
      case ':method':
        return this.method
      case ':path':
        return this.path === '' ? undefined : this.path
      case ':authority':
      case 'host':
        return this.authority === '' ? undefined : this.authority
      case ':scheme':
        return this.scheme
      case 'x-request-id':
        if (this.keepsRequestId) return this.head.get('x-request-id')
        return this.requestId === '' ? undefined : this.requestId
      case 'x-forwarded-for':
        return this.forwardedFor ?? this.head.get('x-forwarded-for')
      case 'x-forwarded-proto':
        return (this.ownsProto ? undefined : this.head.get('x-forwarded-proto')) ?? this.scheme
      case 'x-forwarded-client-cert':
        return this.clientCert?.(this.head)
      case 'te':
        return travellingTe(this.head)
      default:
        return this.#endsHere(lowerName) ? undefined : this.head.get(lowerName)
    }
  }
}

/** Nobody but this hop may say x-forwarded-proto (Envoy: use_remote_address without trusted hops). */
export function overwritesProto(manager: Pick<HttpConnectionManager, 'useRemoteAddress' | 'xffNumTrustedHops'>): boolean {
  return manager.useRemoteAddress && manager.xffNumTrustedHops === 0
}

/** What the client spoke: a trusted x-forwarded-proto says it, so that a load balancer that ends TLS is not redirected to it for ever. */
export function requestScheme(head: MessageHead, tls: boolean, manager: HttpConnectionManager): 'http' | 'https' {
  const said = overwritesProto(manager) ? undefined : head.value(FIELD.forwardedProto)
  if (said === 'http' || said === 'https') return said
  return tls ? 'https' : 'http'
}
