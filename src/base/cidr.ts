// Address ranges, IPv4 and IPv6, as used by filter chains, policies and address plans.
import { BlockList, isIP, isIPv4 } from 'node:net'

export interface Cidr {
  readonly address: string
  readonly prefixLength: number
}

/** `10.0.0.0/8`, `::1/128` or a bare address. Undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = '', length, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return undefined
  const maxLength = family === 4 ? 32 : 128
  if (length === undefined) return { address, prefixLength: maxLength }
  if (!/^\d{1,3}$/.test(length) || Number(length) > maxLength) return undefined
  return { address, prefixLength: Number(length) }
}

/** A compiled set of ranges. An address of the other family never matches, except IPv4 mapped into IPv6. */
export function cidrMatcher(ranges: readonly Cidr[]): (address: string) => boolean {
  // Two lists: in one, ::/0 would match every IPv4 address too.
  const four = new BlockList()
  const six = new BlockList()
  for (const { address, prefixLength } of ranges) {
    if (isIPv4(address)) four.addSubnet(address, prefixLength, 'ipv4')
    else six.addSubnet(address, prefixLength, 'ipv6')
  }
  return (address) => {
    const plain = address.startsWith('::ffff:') && isIPv4(address.slice(7)) ? address.slice(7) : address
    return isIPv4(plain) ? four.check(plain, 'ipv4') : six.check(plain, 'ipv6')
  }
}
