// A Prometheus histogram, read from text, and what was added to it between two readings.
export interface Histogram {
  /** Cumulative, by upper limit in seconds, ascending; the last limit is infinite. */
  readonly buckets: readonly { readonly le: number; readonly count: number }[]
  readonly sum: number
}

export const NO_HISTOGRAM: Histogram = { buckets: [], sum: 0 }

const LINE = /^(\w+?)_(bucket|sum)(?:\{(.*)\})? (\S+)$/

/** All series of the name whose labels contain `labels`, added up. */
export function readHistogram(text: string, name: string, labels = ''): Histogram {
  const counts = new Map<number, number>()
  let sum = 0
  for (const line of text.split('\n')) {
    const [, of, part, its = '', value = ''] = LINE.exec(line) ?? []
    if (of !== name || !its.includes(labels)) continue
    if (part === 'sum') sum += Number(value)
    else {
      const limit = /le="([^"]+)"/.exec(its)?.[1] ?? ''
      const le = limit === '+Inf' ? Number.POSITIVE_INFINITY : Number(limit)
      counts.set(le, (counts.get(le) ?? 0) + Number(value))
    }
  }
  const buckets = [...counts].map(([le, count]) => ({ le, count })).sort((a, b) => a.le - b.le)
  return { buckets, sum }
}

export function since(before: Histogram, after: Histogram): Histogram {
  const earlier = new Map(before.buckets.map(({ le, count }) => [le, count]))
  const buckets = after.buckets.map(({ le, count }) => ({ le, count: count - (earlier.get(le) ?? 0) }))
  return { buckets, sum: after.sum - before.sum }
}

export function countOf({ buckets }: Histogram): number {
  return buckets.at(-1)?.count ?? 0
}

/** The limit of the bucket in which the quantile is: it is at most so long. */
export function atMostSeconds(histogram: Histogram, quantile: number): number {
  const wanted = countOf(histogram) * quantile
  return histogram.buckets.find(({ count }) => count >= wanted)?.le ?? Number.NaN
}

export function describeHistogram(histogram: Histogram): string {
  const count = countOf(histogram)
  const quantile = (of: number): string => `p${of * 100} <= ${atMostSeconds(histogram, of) * 1000} ms`
  return `${count} calls, mean ${((histogram.sum / count) * 1000).toFixed(1)} ms, ${quantile(0.5)}, ${quantile(0.9)}, ${quantile(0.99)}`
}
