// `lateen proxy`: reads options and bootstrap, then validates or serves; meets the process (signals, streams, exit code).
// Called by the dispatcher lateen.ts, and by whoever starts the proxy bundle. proxy-process.ts puts the parts together.
// Invariant: losing the control plane or the CA never ends the process; only a bootstrap that cannot be used does, at the start.
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { systemClock } from '../base/clock.ts'
import { createLogger } from '../base/log.ts'
import { systemRandom } from '../base/random.ts'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../base/regex.ts'
import { formatProblems, type Problem, type Result } from '../base/result.ts'
import { readBootstrapFile, readBootstrapText } from '../envoy/bootstrap-file.ts'
import { proxyCodec } from '../envoy/proxy-codec.ts'
import { decodeBootstrap } from '../proxy/config/decode-bootstrap.ts'
import { ownVersion } from './own-version.ts'
import { withPodLabels } from './proxy-agent.ts'
import { dataThreads } from './proxy-concurrency.ts'
import { type ProxyOptions, parseProxyOptions, proxyHelp } from './proxy-options.ts'
import type { LoadedBootstrap } from './proxy-parts.ts'
import { ProxyProcess } from './proxy-process.ts'
import { SwitchableLog } from './switchable-log.ts'

/** For whoever starts the proxy (supervisor, image): what the hot path allocates dies young, so a small young generation costs nothing
 *  and keeps resident memory from growing with load. */
export const PROXY_EXEC_ARGV: readonly string[] = ['--max-semi-space-size=4']

/** @returns the exit code: 0 after a clean stop, 1 when the bootstrap cannot be used, 2 for wrong options. */
export async function runProxy(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const parsed = parseProxyOptions(argv, env)
  if (!parsed.ok) {
    process.stderr.write(`lateen proxy: ${formatProblems(parsed.problems)}\n`)
    return 2
  }
  if (parsed.value === 'help') {
    process.stdout.write(proxyHelp())
    return 0
  }
  const processors = process.platform === 'linux' ? availableParallelism() : 1
  const options = { ...parsed, value: { ...parsed.value, concurrency: dataThreads(parsed.value.concurrency, processors) } }
  if (options.value.concurrency > 1 && process.platform !== 'linux') {
    process.stderr.write('lateen proxy: --concurrency above 1 needs Linux: elsewhere the kernel does not spread connections. Use 1.\n')
    return 2
  }
  const { logLevel, logFormat } = options.value
  const write = (line: string): void => void process.stderr.write(line)
  const log = new SwitchableLog(logLevel, (level) => createLogger({ level, format: logFormat, write, nowMs: systemClock.nowMs }))
  const loaded = await loadBootstrap(options.value)
  if (options.value.mode === 'validate') return report(options.value.configPath, loaded)
  if (!loaded.ok) {
    log.error('the bootstrap cannot be used', { file: options.value.configPath, problem: formatProblems(loaded.problems) })
    return 1
  }
  return serve(options.value, loaded.value, log)
}

async function serve(options: ProxyOptions, loaded: LoadedBootstrap, log: SwitchableLog): Promise<number> {
  for (const { path: at, message } of loaded.warnings) log.warn('not in force', { field: at, reason: message })
  const version = ownVersion()
  const parts = { options, loaded, log, version, clock: systemClock, random: systemRandom, codec: proxyCodec }
  const stop = Promise.withResolvers<void>()
  // Before anything else: as a container's first process, one that has not asked for a signal does not get it.
  let cut = (): void => undefined
  onStopSignal(stop.resolve, () => cut())
  const running = new ProxyProcess(parts, stop.resolve)
  const problem = await running.start()
  if (problem !== undefined) {
    log.error('cannot start', { problem })
    running.close()
    return 1
  }
  cut = () => running.close()
  // A mistake of ours met one connection or one update; the others are not to pay for it. Before this line it is a start that failed.
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) process.on(event, (error) => running.survive(error))
  await stop.promise
  await running.stop()
  return 0
}

/** The first SIGTERM or SIGINT asks for a stop; the second one cuts everything. */
function onStopSignal(stop: () => void, cut: () => void): void {
  let asked = false
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (asked) cut()
      asked = true
      stop()
    })
  }
  // Whoever read our log is gone: that is no reason to stop carrying traffic.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}

async function loadBootstrap(options: ProxyOptions): Promise<Result<LoadedBootstrap>> {
  const dropped: Problem[] = []
  const how = {
    codec: proxyCodec,
    yamlToJsonProgram: yamlToJsonProgram(),
    // The decoder judges them: what touches security is refused or denies even when unsupported fields are allowed.
    onUnsupported: (at: string, message: string) => void dropped.push({ path: at.replace(`${options.configPath}: `, ''), message }),
  }
  const { configPath, bootstrap: given } = options
  const file = given === undefined ? await readBootstrapFile(configPath, how) : await readBootstrapText(configPath, given, how)
  if (!file.ok) return file
  const bootstrap = withPodLabels(file.value, options.agent)
  const regex = { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite }
  const decoded = decodeBootstrap(bootstrap, { regex, allowUnsupported: options.allowUnsupported }, dropped)
  if (!decoded.ok) return decoded
  return { ok: true, value: { bootstrap, fixed: decoded.value, warnings: decoded.value.warnings } }
}

function report(file: string, loaded: Result<LoadedBootstrap>): number {
  const problems = loaded.ok ? [] : loaded.problems
  const warnings = loaded.ok ? loaded.value.warnings : []
  for (const { path: at, message } of problems) process.stdout.write(`error: ${at === '' ? file : at}: ${message}\n`)
  for (const { path: at, message } of warnings) process.stdout.write(`warning: ${at}: ${message}\n`)
  if (loaded.ok)
    process.stdout.write(`${file}: configuration is usable${warnings.length === 0 ? '' : `, ${counted(warnings, 'warning')}`}\n`)
  else process.stdout.write(`${file}: ${counted(problems, 'problem')}\n`)
  return loaded.ok ? 0 : 1
}

function counted(list: readonly unknown[], what: string): string {
  return `${list.length} ${what}${list.length === 1 ? '' : 's'}`
}

/** Beside the bundle in dist, or the source. */
function yamlToJsonProgram(): string {
  const candidates = ['yaml-to-json.js', '../envoy/yaml-to-json.ts']
  const found = candidates.map((name) => path.join(import.meta.dirname, name)).find((file) => existsSync(file))
  return found ?? path.join(import.meta.dirname, 'yaml-to-json.js')
}
