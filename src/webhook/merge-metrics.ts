// One scrape for both: the pod's Prometheus annotations point to the proxy's agent, which appends the application's metrics. Pure.
// Keys are compared without their punctuation, as Istio and Prometheus' own relabelling do. Invariant: `prometheus.io/scrape: "false"` is
// left alone, and a port of the proxy is never what the agent reads as the application's.
import type { ScrapeSettings } from '../envoy/agent-settings.ts'
import type { Texts } from './pod.ts'
import type { PodSettings } from './pod-settings.ts'

const OUR_PORTS = [15_000, 15_001, 15_004, 15_006, 15_008, 15_020, 15_021, 15_053, 15_090]

export interface MergedMetrics {
  /** Annotation -> text, or null where it goes. */
  readonly annotations: Readonly<Record<string, string | null>>
  readonly scrape: ScrapeSettings | undefined
  readonly problem?: string
  readonly warnings: readonly string[]
}

const NOTHING: MergedMetrics = { annotations: {}, scrape: undefined, warnings: [] }

export function mergeMetrics(annotations: Texts, { config, scrapeTargets }: PodSettings): MergedMetrics {
  if (!config.mergeMetrics || config.statusPort === 0) return NOTHING
  const given = Object.keys(annotations).flatMap((key) => {
    const [, word] = /^prometheus_io_(scrape|port|path|scheme)$/.exec(key.replaceAll(/[^a-zA-Z0-9]/g, '_')) ?? []
    return word === undefined ? [] : [{ key, word }]
  })
  const textOf = (word: string): string | undefined => given.filter((each) => each.word === word).map(({ key }) => annotations[key])[0]
  if (textOf('scrape') === 'false' || textOf('port') === String(config.statusPort)) return NOTHING
  const changed: Record<string, string | null> = Object.fromEntries(
    given.filter(({ word }) => word !== 'scheme').map(({ key }) => [key, null]),
  )
  const written = {
    'prometheus.io/scrape': 'true',
    'prometheus.io/port': String(config.statusPort),
    'prometheus.io/path': '/stats/prometheus',
  }
  const application = textOf('scrape') === 'true' ? applicationOf(textOf('port'), textOf('path')) : {}
  if (typeof application === 'string') return { ...NOTHING, problem: application }
  const taken = [application, ...scrapeTargets].find(
    ({ port }) => port !== undefined && (OUR_PORTS.includes(port) || port === config.statusPort),
  )
  if (taken !== undefined)
    return {
      ...NOTHING,
      problem: `the application's metrics are said to be on port ${taken.port}, which is the proxy's; correct the annotation`,
    }
  const scrape = { ...application, ...(scrapeTargets.length > 0 ? { targets: scrapeTargets } : {}) }
  const warnings =
    textOf('scheme') === 'https'
      ? ["the application's metrics are read over HTTP inside the pod; prometheus.io/scheme=https is not in force"]
      : []
  return { annotations: { ...changed, ...written }, scrape: Object.keys(scrape).length > 0 ? scrape : undefined, warnings }
}

/** Prometheus' own defaults. */
function applicationOf(port: string | undefined, path: string | undefined): ScrapeSettings | string {
  const number = port === undefined || port === '' ? 80 : Number(port)
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    return `annotation prometheus.io/port must be a port number; it is '${port}'`
  return { port: number, path: path === undefined || path === '' ? '/metrics' : path }
}
