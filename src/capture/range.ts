// Address ranges in the form in which iptables-save prints them, so that what was asked for and what is there compare as text.
import { isIPv4 } from 'node:net'
import { parseCidr } from '../base/cidr.ts'
import type { CaptureRange, Family } from './capture-options.ts'

/** Undefined when it is no address or range, or has a zone (`fe80::1%eth0`), which iptables does not know. */
export function captureRange(text: string): CaptureRange | undefined {
  const cidr = text.includes('%') ? undefined : parseCidr(text)
  if (cidr === undefined) return undefined
  const family: Family = isIPv4(cidr.address) ? 4 : 6
  const network = family === 4 ? networkOf4(cidr.address, cidr.prefixLength) : networkOf6(cidr.address, cidr.prefixLength)
  const isLoopback = family === 4 ? network.startsWith('127.') : network === '::1'
  return { family, text: `${network}/${cidr.prefixLength}`, isLoopback }
}

/** Every address of a family: iptables-save leaves out the match. */
export function isEverything(text: string): boolean {
  return text.endsWith('/0')
}

function networkOf4(address: string, prefixLength: number): string {
  return maskedGroups(address.split('.').map(Number), 8, prefixLength).join('.')
}

function networkOf6(address: string, prefixLength: number): string {
  const masked = maskedGroups(groupsOf6(address), 16, prefixLength)
  return shortest(masked.map((group) => group.toString(16)).join(':'))
}

function maskedGroups(groups: readonly number[], bits: number, prefixLength: number): readonly number[] {
  return groups.map((group, index) => {
    const kept = Math.min(Math.max(prefixLength - index * bits, 0), bits)
    return group & (((1 << kept) - 1) << (bits - kept))
  })
}

function groupsOf6(address: string): readonly number[] {
  const [before = '', after] = shortest(address).split('::')
  const head = before === '' ? [] : before.split(':')
  const tail = after === undefined || after === '' ? [] : after.split(':')
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => '0')
  return [...head, ...(after === undefined ? [] : zeros), ...tail].map((group) => Number.parseInt(group, 16))
}

/** RFC 5952; the URL parser knows it. */
function shortest(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1)
}
