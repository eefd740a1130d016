// `lateen control-plane`: arguments and signals of the process around bin/control-plane/start.ts. Started by `lateen run`, or by hand.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { parseDurationMs } from '../base/duration.ts'
import { errorMessage, LateenError } from '../base/errors.ts'
import { createLogger, LOG_LEVELS, type LogLevel } from '../base/log.ts'
import { LEAF_VALIDITY_MS } from '../ca/issuer.ts'
import { DEFAULT_MESH_SETTINGS } from '../model/mesh-settings.ts'
import { stateFolderPath } from '../standalone/state-folder.ts'
import { startControlPlane } from './control-plane/start.ts'
import { ownVersion } from './own-version.ts'

const USAGE = `Usage: lateen control-plane --dir DIR [options]
  --dir DIR            directory with the YAML files of the mesh; watched
  --state DIR          where keys, ports and the socket are kept (default: one per directory under ~/.local/state/lateen)
  --listen ADDR:PORT   xDS and certificates (default 127.0.0.1:0; port 0: the one of the run before, else a free one)
  --monitoring PORT    metrics and version (default 0)
  --certificate-lifetime TIME  of workloads and of the control plane itself, from 5s to 24h (default 24h)
  --cacerts DIR        a certificate authority to issue from: ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem; watched
                       (default: cacerts in the state folder; without it the mesh makes a root of its own)
  --log-level LEVEL    ${LOG_LEVELS.join(', ')} (default info)
  --log-format FORMAT  text or json (default text)
`

const OPTIONS = {
  dir: { type: 'string' },
  state: { type: 'string' },
  listen: { type: 'string', default: '127.0.0.1:0' },
  monitoring: { type: 'string', default: '0' },
  'certificate-lifetime': { type: 'string', default: '24h' },
  cacerts: { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  'log-format': { type: 'string', default: 'text' },
  help: { type: 'boolean', default: false },
} as const

/** Istio's: a connection is renewed every half hour, so that identities are looked at anew and replicas share the load. */
const MAX_CONNECTION_AGE_MS = 30 * 60_000

export async function runControlPlane(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
  if (values.help || values.dir === undefined) {
    process.stdout.write(USAGE)
    return values.help ? 0 : 1
  }
  const dir = resolve(values.dir)
  const log = createLogger({
    level: logLevel(values['log-level']),
    format: values['log-format'] === 'json' ? 'json' : 'text',
    write: (line) => void process.stderr.write(line),
    nowMs: () => systemClock.nowMs(),
  })
  const stopped = stopSignal()
  const controlPlane = await startControlPlane({
    dir,
    state: resolve(values.state ?? stateFolderPath(dir, env)),
    ...address(values.listen),
    monitoringPort: portNumber(values.monitoring, '--monitoring'),
    certificateLifetimeMs: certificateLifetime(values['certificate-lifetime']),
    ...(values.cacerts === undefined ? {} : { cacerts: resolve(values.cacerts) }),
    settings: { ...DEFAULT_MESH_SETTINGS, accessLog: { path: '/dev/stdout', format: undefined } },
    version: ownVersion(),
    pid: process.pid,
    isRoot: process.getuid?.() === 0,
    clock: systemClock,
    log,
    maxConnectionAgeMs: MAX_CONNECTION_AGE_MS,
  })
  // A defect in one request must not take the mesh's configuration away; it must not be silent either.
  process.on('unhandledRejection', (error) => log.error('unexpected failure', { reason: errorMessage(error) }))
  await stopped
  await controlPlane.stop()
  return 0
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}

function address(text: string): { readonly host: string; readonly port: number } {
  const at = text.lastIndexOf(':')
  if (at <= 0) throw new LateenError('BAD_OPTION', `--listen is '${text}'; write ADDRESS:PORT, for instance 127.0.0.1:0`)
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: portNumber(text.slice(at + 1), '--listen') }
}

function portNumber(text: string, option: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535)
    throw new LateenError('BAD_OPTION', `${option}: '${text}' is not a port; it is a number from 0 to 65535`)
  return port
}

/** More than a day would make a stolen key useful for longer than anybody looks. */
function certificateLifetime(text: string): number {
  const parsed = parseDurationMs(text)
  if (parsed.ok && parsed.value >= 5000 && parsed.value <= LEAF_VALIDITY_MS) return parsed.value
  throw new LateenError('BAD_OPTION', `--certificate-lifetime is '${text}'; it is a time from 5s to 24h, for instance 12h`)
}

function logLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((known) => known === text)
  if (level === undefined) throw new LateenError('BAD_OPTION', `--log-level is '${text}'; it is one of ${LOG_LEVELS.join(', ')}`)
  return level
}
