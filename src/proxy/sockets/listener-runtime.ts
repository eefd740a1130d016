// A listener at work: its configuration in force, and per filter chain the connection manager that open connections read anew for each
// request. Survives updates. Invariant: replacing the configuration cuts no connection; whether one may go on is decided by `successorOf`.
import { isIPv4 } from 'node:net'
import type { DownstreamTls, FilterChain, Listener, SocketAddress } from '../config/proxy-config.ts'
import { type ConnectionView, chooseFilterChain, type RangeTest } from '../decide/filter-chain.ts'
import type { HttpBinding } from '../http/services.ts'
import type { BoundListener } from './bound-listener.ts'

export class ListenerRuntime {
  config: Listener
  bound: BoundListener | undefined
  /** The choice of a chain, or of a transport, depends on the client's first octets. */
  needsInspection = false
  /** Where every connection arrives that was not redirected: asking the kernel for each is a system call. Undefined: it has to be asked. */
  ownAddress: SocketAddress | undefined
  /** Rises when what decides about a connection's chain changes, so that open connections ask again only then. */
  generation = 0
  /** The listener is no longer configured: its connections finish what they are at. */
  removed = false
  #shape = ''
  readonly #bindings = new Map<string, HttpBinding>()

  constructor(config: Listener) {
    this.config = config
    this.update(config)
  }

  update(config: Listener): void {
    this.config = config
    this.needsInspection = dependsOnFirstOctets(config)
    this.ownAddress = onlyAddress(config)
    const shape = shapeOf(config)
    if (shape !== this.#shape) this.generation++
    this.#shape = shape
    for (const [key, chain] of chainsOf(config)) {
      if (chain.terminal.kind !== 'http') continue
      const binding = this.#bindings.get(key)
      if (binding === undefined) this.#bindings.set(key, { manager: chain.terminal })
      else binding.manager = chain.terminal
    }
  }

  remove(): void {
    this.removed = true
    this.generation++
  }

  /** The chain that serves a connection of `chain` from now on, or undefined: by the configuration in force it must not go on, because
   *  its chain is gone or asks for something else of the peer than was established (plaintext under PERMISSIVE, then STRICT). */
  successorOf(chain: FilterChain, view: ConnectionView, inRange: RangeTest): FilterChain | undefined {
    if (this.removed) return undefined
    const next = chooseFilterChain(this.config, view, inRange)
    if (next === undefined || next.terminal.kind !== chain.terminal.kind) return undefined
    return next === chain || demandsOf(next.tls) === demandsOf(chain.tls) ? next : undefined
  }

  bindingOf(chain: FilterChain): HttpBinding | undefined {
    for (const [key, candidate] of chainsOf(this.config)) if (candidate === chain) return this.#bindings.get(key)
    return undefined
  }
}

/** IPv4 alone: an IPv6 address has more than one spelling, and who logs or matches it means the kernel's. */
function onlyAddress({ address: { host, port } }: Listener): SocketAddress | undefined {
  return isIPv4(host) && host !== '0.0.0.0' && port !== 0 ? { host, port } : undefined
}

/** Chains by name; unnamed ones by their place. */
function chainsOf(config: Listener): readonly (readonly [string, FilterChain])[] {
  const chains: (readonly [string, FilterChain])[] = config.filterChains.map((chain, index) => [chain.name || `#${index}`, chain] as const)
  if (config.defaultFilterChain !== undefined) chains.push(['#default', config.defaultFilterChain])
  return chains
}

/** What a chain's transport demands of the peer. Not the certificate: its renewal is no reason to part. */
function demandsOf(tls: DownstreamTls | undefined): string {
  if (tls === undefined) return 'plaintext'
  const names = tls.validation.subjectAltNames.map(({ type, spec }) => ({ type, spec }))
  return JSON.stringify([tls.validation.trust, names, tls.requiresClientCertificate])
}

/** Everything on which the choice of a chain and its demands depend. */
function shapeOf(config: Listener): string {
  return JSON.stringify(chainsOf(config).map(([key, { match, tls, terminal }]) => [key, match, demandsOf(tls), terminal.kind]))
}

/** Waiting for a first octet would hang protocols in which the server speaks first, so it is done only where something depends on it. */
function dependsOnFirstOctets(config: Listener): boolean {
  const { tls, http } = config.inspection
  return config.filterChains.some(
    ({ match }) =>
      (tls && (match.transportProtocol !== undefined || match.serverNames.length > 0)) ||
      ((tls || http) && match.applicationProtocols.length > 0),
  )
}
