// Who is at the other end of a client's connection, established once when it is accepted: addresses, identity, certificate.
// Requests read it; only the peer's labels arrive later (metadata exchange).
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { MessageHead } from '../http1/head.ts'
import { type PeerNames, principalsOf } from '../sockets/peer-names.ts'
import type { ConnectionFacts } from '../telemetry/outcome.ts'
import { clientCertElement, clientCertPolicy } from './client-cert-line.ts'
import { learnPeer } from './peer-metadata.ts'

export class DownstreamPeer {
  readonly facts: ConnectionFacts
  /** Where the client meant to go: the original destination where traffic is redirected. */
  readonly destination: { readonly host: string; readonly port: number }
  readonly names: PeerNames
  /** Names that policies judge; empty unless the certificate was verified. */
  readonly principals: readonly string[]
  #element = ''
  #elementOf: HttpConnectionManager | undefined
  #certOf: { readonly manager: HttpConnectionManager; readonly tell: (head: MessageHead) => string | undefined } | undefined

  constructor(facts: ConnectionFacts, destination: { readonly host: string; readonly port: number }, names: PeerNames) {
    this.facts = facts
    this.destination = destination
    this.names = names
    this.principals = facts.mutualTls ? principalsOf(names) : []
  }

  keepsClientCert(manager: HttpConnectionManager): boolean {
    return clientCertPolicy(manager.forwardClientCert.mode, this.facts.mutualTls).keeps
  }

  /** The line to add, or ''. */
  clientCertLine(manager: HttpConnectionManager, head: MessageHead): string {
    const added = this.#addedCert(manager, head)
    return added === undefined ? '' : `x-forwarded-client-cert: ${added}\r\n`
  }

  /** Tells of a head what the application will read, and therefore what policies judge. Made once per connection manager. */
  clientCertOf(manager: HttpConnectionManager): (head: MessageHead) => string | undefined {
    if (this.#certOf?.manager !== manager) {
      const keeps = this.keepsClientCert(manager)
      this.#certOf = { manager, tell: (head) => (keeps ? head.get('x-forwarded-client-cert') : this.#addedCert(manager, head)) }
    }
    return this.#certOf.tell
  }

  #addedCert(manager: HttpConnectionManager, head: MessageHead): string | undefined {
    const { adds } = clientCertPolicy(manager.forwardClientCert.mode, this.facts.mutualTls)
    if (adds === 'nothing') return undefined
    if (this.#elementOf !== manager) {
      this.#element = clientCertElement(manager.forwardClientCert, this.names, this.facts.localPrincipal)
      this.#elementOf = manager
    }
    const received = adds === 'append' ? (head.get('x-forwarded-client-cert') ?? '') : ''
    return received === '' ? this.#element : `${received},${this.#element}`
  }

  learnPeer(head: MessageHead): void {
    learnPeer(this.facts, head)
  }
}
