// Where a redirected connection was going before iptables caught it: getsockopt(SO_ORIGINAL_DST), which Node does not offer.
// koffi is loaded when the first listener needs it and never otherwise.
// Invariant: a connection that was not redirected gives undefined, so that the proxy never connects to itself.
import { createRequire } from 'node:module'

export type OriginalDestination = (fd: number, remoteAddress: string) => { readonly host: string; readonly port: number } | undefined

const SOL_IP = 0
const SOL_IPV6 = 41
const SO_ORIGINAL_DST = 80
const SOCKADDR_IN6_LENGTH = 28

interface Koffi {
  load(path: string | null): { func(signature: string): (...args: unknown[]) => number }
}

/** Loads koffi; throws where it is not installed or the platform has no such option. */
export function loadOriginalDestination(): OriginalDestination {
  const require = createRequire(import.meta.url)
  // koffi's own types describe far more than the one call that is made here.
  const koffi = require('koffi') as Koffi
  const getsockopt = koffi.load(null).func('int getsockopt(int fd, int level, int name, _Out_ uint8_t *value, _Inout_ uint32_t *length)')
  const address = Buffer.alloc(SOCKADDR_IN6_LENGTH)
  return (fd, remoteAddress) => {
    // A dual-stack socket with an IPv4 peer answers only at the IPv4 level.
    const mapped = remoteAddress.startsWith('::ffff:') || !remoteAddress.includes(':')
    const length = [SOCKADDR_IN6_LENGTH]
    if (getsockopt(fd, mapped ? SOL_IP : SOL_IPV6, SO_ORIGINAL_DST, address, length) !== 0) return undefined
    const port = address.readUInt16BE(2)
    return mapped ? { host: [...address.subarray(4, 8)].join('.'), port } : { host: ipv6Text(address.subarray(8, 24)), port }
  }
}

function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => octets.readUInt16BE(index * 2).toString(16))
  // The URL parser knows the shortest form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1)
}
