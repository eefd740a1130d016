// What the admin port answers, path by path. Each entry turns the state into an answer; the server only sends it.
// Invariant: what changes something needs POST and comes from no browser page (an Origin field is refused).
import type { Clock } from '../../base/clock.ts'
import { LOG_LEVELS, type LogLevel } from '../../base/log.ts'
import { compileRegex } from '../../base/regex.ts'
import { PROMETHEUS_CONTENT_TYPE, prometheusText } from '../telemetry/prometheus-text.ts'
import type { AdminState } from './admin-state.ts'
import { certificates } from './certificates.ts'
import { clustersJson, clustersText, listenersJson, listenersText } from './cluster-report.ts'
import { configDump } from './config-dump.ts'
import { memoryReport } from './diagnostics.ts'

export interface AdminAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string | Iterable<string>
}

export interface AdminRoute {
  readonly method: 'GET' | 'POST'
  readonly help: string
  answer(state: AdminState, query: URLSearchParams, clock: Clock): AdminAnswer | Promise<AdminAnswer>
}

const ready: AdminRoute = {
  method: 'GET',
  help: 'whether the proxy takes traffic, and what it waits for',
  answer(state) {
    const readiness = state.readiness()
    return { ...text(`${readiness.reason}\n`), status: readiness.ready ? 200 : 503 }
  },
}

export const adminRoutes: Readonly<Record<string, AdminRoute>> = {
  '/ready': ready,
  '/healthz/ready': ready,
  '/stats/prometheus': {
    method: 'GET',
    help: 'all series for Prometheus',
    async answer(state) {
      await state.collect?.()
      return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: prometheusText(state.families()) }
    },
  },
  '/stats': { method: 'GET', help: 'all series; ?format=json or prometheus, ?filter=RE2', answer: stats },
  '/config_dump': { method: 'GET', help: 'the configuration in force; ?include_eds, ?resource=, ?name_regex=', answer: dump },
  '/certs': {
    method: 'GET',
    help: 'certificates and trusted roots',
    answer: (state, _query, clock) => json(certificates(state.certificates(), clock.nowMs())),
  },
  '/clusters': {
    method: 'GET',
    help: 'clusters and their endpoints; ?format=json',
    async answer(state, query) {
      await state.collect?.()
      return query.get('format') === 'json'
        ? json(clustersJson(state.config(), state.clusterStatus()))
        : text(clustersText(state.config(), state.clusterStatus()))
    },
  },
  '/listeners': {
    method: 'GET',
    help: 'listeners; ?format=json',
    answer: (state, query) => (query.get('format') === 'json' ? json(listenersJson(state.config())) : text(listenersText(state.config()))),
  },
  '/server_info': { method: 'GET', help: 'version, state and uptime', answer: serverInfo },
  '/memory': { method: 'GET', help: 'memory of the process, in bytes', answer: (state) => json(memoryReport(state.memoryUsage())) },
  '/heap_snapshot': {
    method: 'POST',
    help: 'write a heap snapshot to a file; it holds the keys',
    answer: async (state) => text(`${await state.diagnostics.writeHeapSnapshot()}\n`),
  },
  '/cpu_profile': { method: 'POST', help: 'write a CPU profile to a file; ?seconds= (10)', answer: cpuProfile },
  '/logging': { method: 'POST', help: 'the log level; ?level= changes it', answer: logging },
  '/drain_listeners': {
    method: 'POST',
    help: 'stop accepting; what is open goes on',
    async answer(state) {
      await state.drainListeners()
      return text('OK\n')
    },
  },
  '/quitquitquit': {
    method: 'POST',
    help: 'drain and exit',
    answer(state) {
      state.quit()
      return text('OK\n')
    },
  },
}

export function text(body: string): AdminAnswer {
  return { status: 200, contentType: 'text/plain; charset=utf-8', body }
}

function json(value: unknown): AdminAnswer {
  return { status: 200, contentType: 'application/json', body: `${JSON.stringify(value, null, 1)}\n` }
}

/** Any part of the name, as Envoy's filters. */
function nameTest(pattern: string | null): ((name: string) => boolean) | string {
  if (pattern === null || pattern === '') return () => true
  const compiled = compileRegex(`.*(?:${pattern}).*`)
  return compiled.ok ? compiled.value : (compiled.problems[0]?.message ?? 'not a pattern')
}

function badRequest(message: string): AdminAnswer {
  return { ...text(`${message}\n`), status: 400 }
}

async function stats(state: AdminState, query: URLSearchParams): Promise<AdminAnswer> {
  await state.collect?.()
  const format = query.get('format')
  if (format === 'prometheus') return { status: 200, contentType: PROMETHEUS_CONTENT_TYPE, body: prometheusText(state.families()) }
  const wanted = nameTest(query.get('filter'))
  if (typeof wanted === 'string') return badRequest(wanted)
  const samples = function* () {
    for (const family of state.families()) {
      for (const { suffix, labels, value } of family.samples()) {
        const name = `${family.name}${suffix}${labels === '' ? '' : `{${labels}}`}`
        if (wanted(name)) yield { name, value }
      }
    }
  }
  if (format === 'json') return json({ stats: [...samples()] })
  return { ...text(''), body: samples().map(({ name, value }) => `${name}: ${value}\n`) }
}

function dump(state: AdminState, query: URLSearchParams): AdminAnswer {
  const matchesName = nameTest(query.get('name_regex'))
  if (typeof matchesName === 'string') return badRequest(matchesName)
  return json(
    configDump(state.held(), { includesEndpoints: query.has('include_eds'), resource: query.get('resource') ?? undefined, matchesName }),
  )
}

function serverInfo(state: AdminState): AdminAnswer {
  const info = state.serverInfo()
  const uptime = `${Math.floor(info.uptimeMs / 1000)}s`
  return json({
    version: info.version,
    state: info.state,
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: 'disabled',
    command_line_options: info.commandLine,
    ...(info.node !== undefined && { node: info.node }),
  })
}

const MAX_PROFILE_SECONDS = 300

async function cpuProfile({ diagnostics }: AdminState, query: URLSearchParams): Promise<AdminAnswer> {
  const seconds = Number(query.get('seconds') ?? '10')
  if (!(seconds > 0 && seconds <= MAX_PROFILE_SECONDS)) return badRequest(`seconds must be a number up to ${MAX_PROFILE_SECONDS}`)
  return text(`${await diagnostics.writeCpuProfile(seconds * 1000)}\n`)
}

function logging(state: AdminState, query: URLSearchParams): AdminAnswer {
  const level = query.get('level')
  if (level !== null) {
    const known = LOG_LEVELS.find((each) => each === (level === 'warning' ? 'warn' : level === 'critical' ? 'error' : level))
    if (known === undefined) return badRequest(`'${level}' is not a log level; use one of ${LOG_LEVELS.join(', ')}`)
    state.setLogLevel(known satisfies LogLevel)
  }
  return text(`active loggers:\n  lateen: ${state.logLevel()}\n`)
}
