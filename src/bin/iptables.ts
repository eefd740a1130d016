// `lateen iptables`: the program of the init container. Reads the surroundings, then leaves everything to capture/.
// Loads nothing but capture/ and a few files of base: a pod waits for it.
import { existsSync, readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { systemClock } from '../base/clock.ts'
import { formatProblems, type Result } from '../base/result.ts'
import { awaitProxy, readinessOnPort } from '../capture/await-proxy.ts'
import { dialer } from '../capture/dial.ts'
import { dryRunText } from '../capture/dry-run.ts'
import { captureHelp } from '../capture/option-table.ts'
import { type CaptureRequest, readCaptureRequest } from '../capture/read-options.ts'
import { runProgram } from '../capture/run-program.ts'
import { cleanUpCapture, type Host, setUpCapture } from '../capture/set-up.ts'
import { verifyRedirect } from '../capture/verify-redirect.ts'

/** Istio's code for 'the redirection does not work'; what watches pods looks for it. */
const NOT_REDIRECTED = 126

export async function runIptables(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const read = readCaptureRequest(argv, { env, resolvConf: textOf('/etc/resolv.conf'), groupFile: textOf('/etc/group') })
  if (!read.ok) return failWith(read)
  if (read.value === 'help') {
    process.stdout.write(captureHelp())
    return 0
  }
  const request = read.value
  for (const warning of request.warnings) process.stderr.write(`warning: ${warning}\n`)
  if (request.action === 'dry-run') {
    process.stdout.write(dryRunText(request.capture))
    return 0
  }
  const host: Host = {
    run: runProgram,
    say: (line) => void process.stdout.write(`${line}\n`),
    hasIpv6: existsSync('/proc/net/if_inet6'),
    hasIpv6Address: hasIpv6Address(),
  }
  const done = await perform(request, host)
  if (done !== undefined && !done.ok) return failWith(done)
  const code = await verify(request, host)
  if (code === 0) await waitForProxy(request, host)
  return code
}

/** Not before everything else is right: a pod that cannot be captured says so at once. */
async function waitForProxy({ action, awaitProxyOn: port }: CaptureRequest, { say }: Host): Promise<void> {
  if (port !== undefined && action !== 'cleanup') await awaitProxy({ ask: readinessOnPort(port), say, clock: systemClock })
}

function perform(request: CaptureRequest, host: Host): Promise<Result<void>> | undefined {
  if (request.action === 'skip') return undefined
  return request.action === 'cleanup' ? cleanUpCapture(host) : setUpCapture(request, host)
}

async function verify({ action, verify: how, capture }: CaptureRequest, { hasIpv6Address: six, say }: Host): Promise<number> {
  if (how === undefined || action === 'cleanup') return 0
  const verdict = await verifyRedirect(capture, how, {
    uid: process.getuid?.() ?? 0,
    clock: systemClock,
    dial: dialer(process.execPath),
    say,
    families: six ? [4, 6] : [4],
  })
  if (verdict === 'not-checked') process.stderr.write('lateen iptables: verify: nothing could be checked, for the reasons above\n')
  return verdict === 'redirected' ? 0 : verdict === 'not-redirected' ? NOT_REDIRECTED : 1
}

function failWith(result: Extract<Result<unknown>, { ok: false }>): number {
  process.stderr.write(`lateen iptables: ${formatProblems(result.problems).replaceAll('\n', '\nlateen iptables: ')}\n`)
  return 1
}

/** One that another pod can reach: neither loopback nor link-local. */
function hasIpv6Address(): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ family, internal, address }) => family === 'IPv6' && !internal && !address.startsWith('fe80:')),
  )
}

/** Absent is empty: what needs it says what is missing. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
