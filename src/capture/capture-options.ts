// What is captured, as values that were checked once: the only input of the rules. Made by read-options.ts from flags and environment.
// Invariant: ranges are canonical (host bits are zero), so that a rule reads the same here and in iptables-save.

export type Family = 4 | 6

export type PortList = '*' | readonly number[]
export type RangeList = '*' | readonly CaptureRange[]

export interface CaptureRange {
  readonly family: Family
  /** `10.0.0.0/8`, `fd00::/8`. */
  readonly text: string
  readonly isLoopback: boolean
}

/** Whose outgoing connections are captured, by the group of the process. */
export type OwnerGroups =
  | { readonly kind: 'all-but'; readonly gids: readonly number[] }
  | { readonly kind: 'only'; readonly gids: readonly number[] }

export type DnsCapture =
  | { readonly kind: 'off' }
  /** Every query to port 53, whoever it goes to. */
  | { readonly kind: 'all' }
  /** Queries to these servers (those of resolv.conf), so that a local DNS proxy's own queries are not sent back to it. */
  | { readonly kind: 'servers'; readonly servers: readonly CaptureRange[] }

export interface CaptureOptions {
  readonly mode: 'REDIRECT' | 'TPROXY'
  readonly outboundPort: number
  readonly inboundPort: number
  /** HBONE: never captured, the proxy listens on it itself. */
  readonly tunnelPort: number
  readonly proxyUids: readonly number[]
  readonly proxyGids: readonly number[]
  readonly inboundPorts: PortList
  /** Only with '*': a list says what is captured and nothing else. */
  readonly inboundPortsExcluded: readonly number[]
  readonly outboundPorts: readonly number[]
  readonly outboundPortsExcluded: readonly number[]
  readonly outboundRanges: RangeList
  readonly outboundRangesExcluded: readonly CaptureRange[]
  readonly interfacesExcluded: readonly string[]
  /** Interfaces of virtual machines in the pod: what comes in there is outbound traffic. */
  readonly virtualInterfaces: readonly string[]
  readonly ownerGroups: OwnerGroups
  readonly dns: DnsCapture
  readonly dropsInvalid: boolean
  /** What counts as the application's own loopback. */
  readonly loopback4: string
  readonly tproxyMark: number
  readonly tproxyRouteTable: number
}

/** As istio-iptables starts without a flag: the chains are there and nothing is captured. */
export const DEFAULT_OPTIONS: CaptureOptions = {
  mode: 'REDIRECT',
  outboundPort: 15001,
  inboundPort: 15006,
  tunnelPort: 15008,
  proxyUids: [1337],
  proxyGids: [1337],
  inboundPorts: [],
  inboundPortsExcluded: [],
  outboundPorts: [],
  outboundPortsExcluded: [],
  outboundRanges: [],
  outboundRangesExcluded: [],
  interfacesExcluded: [],
  virtualInterfaces: [],
  ownerGroups: { kind: 'all-but', gids: [] },
  dns: { kind: 'off' },
  dropsInvalid: false,
  loopback4: '127.0.0.1/32',
  tproxyMark: 1337,
  tproxyRouteTable: 133,
}
