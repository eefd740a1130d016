// `lateen control-plane`: arguments and signals of the process around bin/control-plane/start.ts. Started by `lateen run`, or by hand.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import { createLogger, LOG_LEVELS, type Logger, type LogLevel } from '../base/log.ts'
import { DEFAULT_MESH_SETTINGS } from '../model/mesh-settings.ts'
import { stateFolderPath } from '../standalone/state-folder.ts'
import {
  certificateLifetime,
  hostPort,
  KUBERNETES_USAGE,
  logLevel,
  parseKubernetesOptions,
  portNumber,
} from './control-plane/kubernetes/options.ts'
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
  if (argv.includes('--kubernetes')) return runInCluster(argv, env)
  const { values } = parseArgs({ args: [...argv], options: OPTIONS, strict: true })
  if (values.help || values.dir === undefined) {
    process.stdout.write(`${USAGE}\n${KUBERNETES_USAGE}`)
    return values.help ? 0 : 1
  }
  const dir = resolve(values.dir)
  const log = loggerOf(logLevel(values['log-level']), values['log-format'] === 'json' ? 'json' : 'text')
  const stopped = stopSignal()
  const controlPlane = await startControlPlane({
    dir,
    state: resolve(values.state ?? stateFolderPath(dir, env)),
    ...hostPort(values.listen),
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
  surviveDefects(log)
  await stopped
  await controlPlane.stop()
  return 0
}

async function runInCluster(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const options = parseKubernetesOptions(argv, env)
  if (options === 'help') {
    process.stdout.write(KUBERNETES_USAGE)
    return 0
  }
  // Not before: it brings what a control plane of a directory does not need.
  const { startClusterControlPlane } = await import('./control-plane/kubernetes/start.ts')
  const log = loggerOf(options.logLevel, options.logFormat)
  const stopping = new AbortController()
  const stopped = stopSignal().then(() => stopping.abort())
  surviveDefects(log)
  const controlPlane = await startClusterControlPlane({
    ...options,
    env,
    settings: { ...DEFAULT_MESH_SETTINGS, accessLog: { path: '/dev/stdout', format: undefined } },
    version: ownVersion(),
    clock: systemClock,
    log,
    maxConnectionAgeMs: MAX_CONNECTION_AGE_MS,
    signal: stopping.signal,
  })
  await stopped
  await controlPlane.stop()
  return 0
}

function loggerOf(level: LogLevel, format: 'text' | 'json'): Logger {
  return createLogger({ level, format, write: (line) => void process.stderr.write(line), nowMs: () => systemClock.nowMs() })
}

/** A defect in one request must not take the mesh's configuration away; it must not be silent either. */
function surviveDefects(log: Logger): void {
  process.on('unhandledRejection', (error) => log.error('unexpected failure', { reason: errorMessage(error) }))
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve())
  })
}
