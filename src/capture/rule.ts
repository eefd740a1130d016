// One iptables rule as a value, and its text in the form of iptables-save (-s, -d, -i, -o, -p, matches, target), so that reading back
// what the kernel has is a comparison of texts.
import { isEverything } from './range.ts'

export type Table = 'nat' | 'mangle' | 'raw'

export interface Match {
  readonly source?: string
  readonly destination?: string
  readonly notDestination?: string
  readonly inInterface?: string
  readonly outInterface?: string
  readonly protocol?: 'tcp' | 'udp'
  readonly destinationPort?: number
  readonly notDestinationPort?: number
  readonly notDestinationPorts?: readonly number[]
  readonly sourcePort?: number
  /** Not the first packet of a connection of TCP. */
  readonly underWay?: true
  readonly connectionState?: 'INVALID' | 'RELATED,ESTABLISHED'
  readonly mark?: number
  readonly notMark?: number
  readonly connectionMark?: number
  readonly uid?: number
  readonly notUid?: number
  readonly gid?: number
  /** Is in none of these groups. */
  readonly notGids?: readonly number[]
}

export interface Rule {
  readonly table: Table
  readonly chain: string
  /** In a chain of the kernel: before whatever is there, or after it. Ours are only appended to. */
  readonly place: 'head' | 'tail'
  /** Without the chain: `-p tcp -j LATEEN_REDIRECT`. */
  readonly text: string
  /** For people who read `--dry-run`. */
  readonly why: string
}

export const CHAIN_PREFIX = 'LATEEN_'

export const CHAINS = {
  inbound: 'LATEEN_INBOUND',
  output: 'LATEEN_OUTPUT',
  outputDns: 'LATEEN_OUTPUT_DNS',
  redirect: 'LATEEN_REDIRECT',
  inRedirect: 'LATEEN_IN_REDIRECT',
  divert: 'LATEEN_DIVERT',
  tproxy: 'LATEEN_TPROXY',
  drop: 'LATEEN_DROP',
} as const

/** Marks a rule in a chain of the kernel as ours when its target does not. */
const OWNER_COMMENT = '-m comment --comment lateen'

export function isOwnChain(chain: string): boolean {
  return chain.startsWith(CHAIN_PREFIX)
}

/** Whether a rule of a kernel's chain, as iptables-save prints it, was made by this program. */
export function isOwnRule(text: string): boolean {
  return text.includes(` -j ${CHAIN_PREFIX}`) || text.startsWith(`-j ${CHAIN_PREFIX}`) || /--comment "?lateen"?(?: |$)/.test(text)
}

/** `[table, chain]`, what it matches, `-j` and its arguments, and why. */
export function rule(table: Table, chain: string, match: Match, target: string, why: string, place: 'head' | 'tail' = 'tail'): Rule {
  const isMarked = isOwnChain(chain) || target.startsWith(CHAIN_PREFIX)
  const text = [...matchTexts(match), ...(isMarked ? [] : [OWNER_COMMENT]), `-j ${target}`].join(' ')
  return { table, chain, place, text, why }
}

function matchTexts(match: Match): readonly string[] {
  return [...packetTexts(match), ...portTexts(match), ...stateTexts(match), ...ownerTexts(match)]
}

function packetTexts({ source, destination, notDestination, inInterface, outInterface, protocol }: Match): readonly string[] {
  return [
    ...(source === undefined || isEverything(source) ? [] : [`-s ${source}`]),
    ...(destination === undefined || isEverything(destination) ? [] : [`-d ${destination}`]),
    ...given('! -d', notDestination),
    ...given('-i', inInterface),
    ...given('-o', outInterface),
    ...given('-p', protocol),
  ]
}

function portTexts({ protocol, destinationPort, notDestinationPort, notDestinationPorts, sourcePort, underWay }: Match): readonly string[] {
  return [
    ...(underWay === true ? ['-m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN'] : []),
    ...given(`-m ${protocol} --dport`, destinationPort),
    ...given(`-m ${protocol} ! --dport`, notDestinationPort),
    ...given('-m multiport ! --dports', notDestinationPorts?.join(',')),
    ...given(`-m ${protocol} --sport`, sourcePort),
  ]
}

function stateTexts({ connectionState, mark, notMark, connectionMark }: Match): readonly string[] {
  return [
    ...given('-m conntrack --ctstate', connectionState),
    ...given('-m mark --mark', mark === undefined ? undefined : hex(mark)),
    ...given('-m mark ! --mark', notMark === undefined ? undefined : hex(notMark)),
    ...given('-m connmark --mark', connectionMark === undefined ? undefined : hex(connectionMark)),
  ]
}

function ownerTexts({ uid, notUid, gid, notGids }: Match): readonly string[] {
  return [
    ...given('-m owner --uid-owner', uid),
    ...given('-m owner ! --uid-owner', notUid),
    ...given('-m owner --gid-owner', gid),
    ...(notGids ?? []).map((each) => `-m owner ! --gid-owner ${each}`),
  ]
}

function given(flag: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [`${flag} ${value}`]
}

export function hex(value: number): string {
  return `0x${value.toString(16)}`
}
