// What the demo's table needs of a sidecar's /stats/prometheus: requests, failures and a duration histogram, as this workload serves them.

export interface Sample {
  readonly total: number
  readonly failed: number
  /** Upper bound in milliseconds -> requests at most that long. */
  readonly buckets: ReadonlyMap<number, number>
}

export const NO_SAMPLE: Sample = { total: 0, failed: 0, buckets: new Map() }

/** @param reporter 'destination': what the workload served; 'source': what it called. */
export function readSample(text: string, reporter: 'destination' | 'source'): Sample {
  let total = 0
  let failed = 0
  const buckets = new Map<number, number>()
  for (const line of text.split('\n')) {
    const parts = /^(istio_requests_total|istio_request_duration_milliseconds_bucket)\{(.*)\} (\S+)/.exec(line)
    if (parts === null) continue
    const [, name, labels = '', value = '0'] = parts
    if (!labels.includes(`reporter="${reporter}"`)) continue
    if (name === 'istio_requests_total') {
      total += Number(value)
      if (/response_code="(?:5\d\d|0)"/.test(labels)) failed += Number(value)
      continue
    }
    const bound = /(?:^|,)le="([^"]+)"/.exec(labels)?.[1]
    if (bound === undefined) continue
    const limit = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    buckets.set(limit, (buckets.get(limit) ?? 0) + Number(value))
  }
  return { total, failed, buckets }
}

/** What happened between two samples; a sidecar that started anew counts from zero again. */
export function difference(now: Sample, before: Sample): Sample {
  if (now.total < before.total) return now
  const buckets = new Map([...now.buckets].map(([bound, count]) => [bound, count - (before.buckets.get(bound) ?? 0)]))
  return { total: now.total - before.total, failed: now.failed - before.failed, buckets }
}

/** Within the bucket that holds it, linear, as Prometheus' histogram_quantile; undefined without requests. */
export function quantileMs({ buckets }: Sample, quantile: number): number | undefined {
  const sorted = [...buckets].sort(([a], [b]) => a - b)
  const count = sorted.at(-1)?.[1] ?? 0
  if (count === 0) return undefined
  const rank = quantile * count
  let lowBound = 0
  let lowCount = 0
  for (const [bound, cumulative] of sorted) {
    if (cumulative >= rank) {
      if (bound === Number.POSITIVE_INFINITY) return lowBound
      return lowBound + ((bound - lowBound) * (rank - lowCount)) / Math.max(cumulative - lowCount, 1)
    }
    lowBound = bound
    lowCount = cumulative
  }
  return lowBound
}
