// A listener at work: its configuration in force, and per filter chain the connection manager that open connections read anew for each
// request. Survives updates. Invariant: replacing the configuration touches no connection.
import type { FilterChain, Listener } from '../config/proxy-config.ts'
import type { HttpBinding } from '../http/services.ts'
import type { BoundListener } from './bound-listener.ts'

export class ListenerRuntime {
  config: Listener
  bound: BoundListener | undefined
  /** The choice of a chain, or of a transport, depends on the client's first octets. */
  needsInspection = false
  readonly #bindings = new Map<string, HttpBinding>()

  constructor(config: Listener) {
    this.config = config
    this.update(config)
  }

  update(config: Listener): void {
    this.config = config
    this.needsInspection = config.inspectsTls && dependsOnFirstOctets(config)
    for (const [key, chain] of chainsOf(config)) {
      if (chain.terminal.kind !== 'http') continue
      const binding = this.#bindings.get(key)
      if (binding === undefined) this.#bindings.set(key, { manager: chain.terminal })
      else binding.manager = chain.terminal
    }
  }

  bindingOf(chain: FilterChain): HttpBinding | undefined {
    for (const [key, candidate] of chainsOf(this.config)) if (candidate === chain) return this.#bindings.get(key)
    return undefined
  }
}

/** Chains by name; unnamed ones by their place. */
function chainsOf(config: Listener): readonly (readonly [string, FilterChain])[] {
  const chains: (readonly [string, FilterChain])[] = config.filterChains.map((chain, index) => [chain.name || `#${index}`, chain] as const)
  if (config.defaultFilterChain !== undefined) chains.push(['#default', config.defaultFilterChain])
  return chains
}

/** Waiting for a first octet would hang protocols in which the server speaks first, so it is done only where something depends on it. */
function dependsOnFirstOctets(config: Listener): boolean {
  return config.filterChains.some(
    ({ match }) => match.transportProtocol !== undefined || match.serverNames.length > 0 || match.applicationProtocols.length > 0,
  )
}
