// Which filter chain of a listener takes a new connection. Called once per connection, after the TLS inspector has read SNI and ALPN.
// Envoy's order, each step narrowing what the next may choose from and never going back: destination port, destination address (longest
// prefix), server name (exact, then longest wildcard), transport protocol, application protocol, source address.
// Invariant: the order of chains in the listener never matters; a connection that nothing matches gets the default chain or is refused.
import type { Cidr } from '../../base/cidr.ts'
import type { FilterChain, FilterChainMatch } from '../config/proxy-config.ts'

export interface ConnectionView {
  /** Where the client meant to go: the original destination where traffic is redirected. */
  readonly destinationIp: string
  readonly destinationPort: number
  /** Lower-case SNI, '' without. */
  readonly serverName: string
  readonly transportProtocol: 'tls' | 'raw_buffer'
  /** What the client offers in ALPN, or what was sniffed ('http/1.1', 'h2c'). */
  readonly applicationProtocols: readonly string[]
  readonly sourceIp: string
}

export interface FilterChainChoices {
  readonly filterChains: readonly FilterChain[]
  readonly defaultFilterChain: FilterChain | undefined
}

/** Whether the range holds the address; a parameter because address arithmetic is not pure text (base/cidr.ts, cached by the caller). */
export type RangeTest = (range: Cidr, address: string) => boolean

export function chooseFilterChain(choices: FilterChainChoices, connection: ConnectionView, inRange: RangeTest): FilterChain | undefined {
  let left: readonly FilterChain[] = choices.filterChains
  for (const specificity of STEPS) {
    left = mostSpecific(left, (match) => specificity(match, connection, inRange))
    if (left.length === 0) return choices.defaultFilterChain
  }
  return left[0]
}

/** How well a match fits: -1 not at all, 0 because it does not ask, more is closer. */
type Specificity = (match: FilterChainMatch, connection: ConnectionView, inRange: RangeTest) => number

const STEPS: readonly Specificity[] = [
  (match, connection) => asked(match.destinationPort, connection.destinationPort),
  (match, connection, inRange) => longestPrefix(match.destinationRanges, connection.destinationIp, inRange),
  (match, connection) => serverNameFit(match.serverNames, connection.serverName),
  (match, connection) => asked(match.transportProtocol, connection.transportProtocol),
  (match, connection) => protocolFit(match.applicationProtocols, connection.applicationProtocols),
  (match, connection, inRange) => longestPrefix(match.sourceRanges, connection.sourceIp, inRange),
]

function mostSpecific(chains: readonly FilterChain[], specificity: (match: FilterChainMatch) => number): readonly FilterChain[] {
  let best = -1
  let found: FilterChain[] = []
  for (const chain of chains) {
    const fit = specificity(chain.match)
    if (fit > best) {
      best = fit
      found = [chain]
    } else if (fit === best && fit >= 0) found.push(chain)
  }
  return found
}

function asked<T>(wanted: T | undefined, actual: T): number {
  if (wanted === undefined) return 0
  return wanted === actual ? 1 : -1
}

function longestPrefix(ranges: readonly Cidr[], address: string, inRange: RangeTest): number {
  if (ranges.length === 0) return 0
  let longest = -1
  for (const range of ranges) {
    // One more than the length, so that even 0.0.0.0/0 is closer than no range at all.
    if (range.prefixLength >= longest && inRange(range, address)) longest = range.prefixLength + 1
  }
  return longest
}

function serverNameFit(names: readonly string[], actual: string): number {
  if (names.length === 0) return 0
  let best = -1
  for (const name of names) {
    if (name === actual) return Number.MAX_SAFE_INTEGER
    if (name.startsWith('*.') && actual.endsWith(name.slice(1)) && name.length > best) best = name.length
  }
  return best
}

/** The client's order decides among chains that ask for different protocols (Envoy: findFilterChainForApplicationProtocols). */
function protocolFit(wanted: readonly string[], offered: readonly string[]): number {
  if (wanted.length === 0) return 0
  const first = offered.findIndex((protocol) => wanted.includes(protocol))
  return first < 0 ? -1 : offered.length - first
}
