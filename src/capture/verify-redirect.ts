// `--verify`: connections that the rules must redirect, made for real. To 127.0.0.6 as the proxy's user (which leads to the inbound
// port; Istio's check), and to an address outside as any other user (which leads to the outbound port).
// A connection counts as redirected when the listener saw exactly the source port of the one that dialled: nobody listens at the
// address dialled. Runs before the proxy does, whose ports it needs for a moment.
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { cidrMatcher, parseCidr } from '../base/cidr.ts'
import { type Clock, delay } from '../base/clock.ts'
import { errorCode, errorMessage } from '../base/errors.ts'
import type { CaptureOptions, Family } from './capture-options.ts'

export type Dialled = { readonly kind: 'connected'; readonly localPort: number } | { readonly kind: 'failed'; readonly code: string }

export interface Probe {
  readonly host: string
  readonly port: number
  /** Undefined: as whoever runs this program. */
  readonly uid: number | undefined
  /** The kernel would choose ::6 as the source towards ::6, and what comes from there is let pass. */
  readonly from: string | undefined
}

export interface VerifyPorts {
  readonly uid: number
  readonly clock: Clock
  readonly dial: (probe: Probe) => Promise<Dialled>
  readonly say: (line: string) => void
  readonly families: readonly Family[]
}

interface Check extends Probe {
  readonly name: string
  readonly loopback: string
  readonly listensOn: number
}

const RETRY_MS = 100
/** It cannot be asked here, which is no failure of the rules. */
const NOT_ASKED: Readonly<Record<string, string>> = {
  EPERM: "this process may not become the proxy's user: run --verify as that user, or with the capability SETUID",
  ENETUNREACH: 'there is no route to the outside',
  EADDRNOTAVAIL: 'the address is not there',
}

export type Verdict = 'redirected' | 'not-redirected' | 'not-checked'

/** Redirected when at least one check could be made and none failed. */
export async function verifyRedirect(
  options: CaptureOptions,
  { probePort, timeoutMs }: { readonly probePort: number; readonly timeoutMs: number },
  ports: VerifyPorts,
): Promise<Verdict> {
  let passed = 0
  let failed = 0
  for (const check of ports.families.flatMap((family) => checksOf(options, family, probePort, ports.uid))) {
    const outcome = await perform(check, timeoutMs, ports)
    ports.say(`verify ${check.name}: ${outcome.text}`)
    if (outcome.kind === 'redirected') passed++
    if (outcome.kind === 'failed') failed++
  }
  if (failed > 0) return 'not-redirected'
  return passed > 0 ? 'redirected' : 'not-checked'
}

function checksOf(options: CaptureOptions, family: Family, probePort: number, uid: number): readonly Check[] {
  const { proxyUids, inboundPort, outboundPort } = options
  const isProxy = proxyUids.includes(uid)
  const loopback = family === 4 ? '127.0.0.1' : '::1'
  const toSelf: Check = {
    name: `IPv${family} inbound`,
    host: family === 4 ? '127.0.0.6' : '::6',
    port: probePort,
    uid: isProxy ? undefined : proxyUids[0],
    from: loopback,
    loopback,
    listensOn: inboundPort,
  }
  const outside = outsideOf(options, family)
  if (isProxy || outside === undefined) return [toSelf]
  return [
    toSelf,
    { name: `IPv${family} outbound`, host: outside, port: probePort, uid: undefined, from: undefined, loopback, listensOn: outboundPort },
  ]
}

/** An address that the options include and nothing excludes; for '*' one of those that RFC 5737 and RFC 3849 keep for documentation. */
function outsideOf({ outboundRanges, outboundRangesExcluded, ownerGroups }: CaptureOptions, family: Family): string | undefined {
  // Whether this process is in one of the groups is not known here; the inbound check still holds.
  if (ownerGroups.kind === 'only' || ownerGroups.gids.length > 0) return undefined
  const isExcluded = cidrMatcher(outboundRangesExcluded.flatMap(({ text }) => parseCidr(text) ?? []))
  const documentation = family === 4 ? '192.0.2.1' : '2001:db8::1'
  const ranges = outboundRanges === '*' ? [] : outboundRanges.filter((range) => range.family === family && !range.isLoopback)
  const candidates = outboundRanges === '*' ? [documentation] : ranges.map(({ text }) => text.split('/')[0] ?? '')
  return candidates.find((address) => !isExcluded(address))
}

async function perform(
  check: Check,
  timeoutMs: number,
  { clock, dial }: VerifyPorts,
): Promise<{ kind: 'redirected' | 'failed' | 'not-asked'; text: string }> {
  const sources = new Set<number | undefined>()
  const server = createServer((socket) => {
    sources.add(socket.remotePort)
    socket.on('error', () => undefined)
    socket.end()
  })
  const wrong = await listening(server, check)
  if (wrong !== undefined) return { kind: 'failed', text: wrong }
  try {
    const untilMs = clock.monotonicMs() + timeoutMs
    let last = ''
    do {
      const dialled = await dial(check)
      if (dialled.kind === 'connected' && sources.has(dialled.localPort))
        return { kind: 'redirected', text: `redirected to port ${check.listensOn}` }
      last = dialled.kind === 'connected' ? 'connected to something else' : dialled.code
      const notAsked = NOT_ASKED[last]
      if (notAsked !== undefined) return { kind: 'not-asked', text: `not checked: ${notAsked}` }
      await delay(clock, RETRY_MS)
    } while (clock.monotonicMs() < untilMs)
    return {
      kind: 'failed',
      text: `${check.host}:${check.port} is not redirected to port ${check.listensOn} (${last}): the rules are missing or something comes before them; see iptables-save -t nat`,
    }
  } finally {
    server.close()
  }
}

async function listening(server: Server, { loopback, listensOn }: Check): Promise<string | undefined> {
  try {
    server.listen(listensOn, loopback)
    await once(server, 'listening')
    return undefined
  } catch (error) {
    return errorCode(error) === 'EADDRINUSE'
      ? `port ${listensOn} is in use: --verify runs before the proxy`
      : `cannot listen on ${loopback}:${listensOn}: ${errorMessage(error)}`
  }
}
