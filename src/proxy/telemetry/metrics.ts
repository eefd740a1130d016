// Our own counters, gauges and histograms: as little as Prometheus needs, and cheap enough to touch on every request.
// Invariant: a counter only grows; what is read from other places (gauges) is asked for at collection, never stored.

export type Labels = Readonly<Record<string, string>>

/** Samples of one name. `lines` yields the text after the name: `{labels} value`. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  samples(): Iterable<Sample>
}

export interface Sample {
  /** `_bucket`, `_sum`, `_count` of a histogram; '' otherwise. */
  readonly suffix: string
  /** As Prometheus writes them, without braces. */
  readonly labels: string
  readonly value: number
}

export class Counter {
  value = 0

  add(amount = 1): void {
    this.value += amount
  }
}

/** Istio's buckets, for milliseconds and bytes alike; the last one is +Inf. */
export const ISTIO_BUCKETS: readonly number[] = [
  ...[0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000],
  ...[1_800_000, 3_600_000],
]

export class Histogram {
  readonly counts = new Float64Array(ISTIO_BUCKETS.length + 1)
  sum = 0

  observe(value: number): void {
    let index = 0
    // Most values fall into the first buckets, so walking up beats halving.
    while (index < ISTIO_BUCKETS.length && value > (ISTIO_BUCKETS[index] ?? 0)) index++
    this.counts[index] = (this.counts[index] ?? 0) + 1
    this.sum += value
  }

  *samples(labels: string): Iterable<Sample> {
    const separator = labels === '' ? '' : ','
    let cumulative = 0
    for (let index = 0; index < this.counts.length; index++) {
      cumulative += this.counts[index] ?? 0
      const bound = ISTIO_BUCKETS[index]
      yield { suffix: '_bucket', labels: `${labels}${separator}le="${bound === undefined ? '+Inf' : bound}"`, value: cumulative }
    }
    yield { suffix: '_sum', labels, value: this.sum }
    yield { suffix: '_count', labels, value: cumulative }
  }
}

export class MetricRegistry {
  readonly #families = new Map<string, MetricFamily>()
  readonly #counters = new Map<string, { readonly labels: string; readonly counter: Counter }[]>()

  get families(): Iterable<MetricFamily> {
    return this.#families.values()
  }

  add(family: MetricFamily): void {
    this.#families.set(family.name, family)
  }

  /** The counter of this name and these labels; asked for once, kept by who counts. */
  counter(name: string, help: string, labels: Labels = {}): Counter {
    const text = formatLabels(labels)
    let members = this.#counters.get(name)
    if (members === undefined) {
      const list: { readonly labels: string; readonly counter: Counter }[] = []
      members = list
      this.#counters.set(name, list)
      this.add({
        name,
        help,
        type: 'counter',
        samples: () => list.map((each) => ({ suffix: '', labels: each.labels, value: each.counter.value })),
      })
    }
    const existing = members.find((each) => each.labels === text)
    if (existing !== undefined) return existing.counter
    const counter = new Counter()
    members.push({ labels: text, counter })
    return counter
  }

  /** Values that live elsewhere, read at every collection. */
  observe(
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    read: () => Iterable<{ readonly labels?: Labels; readonly value: number }>,
  ): void {
    this.add({
      name,
      help,
      type,
      *samples() {
        for (const { labels, value } of read()) yield { suffix: '', labels: formatLabels(labels ?? {}), value }
      },
    })
  }
}

/** In the order given; values are escaped as the exposition format demands. */
export function formatLabels(labels: Labels): string {
  return Object.entries(labels)
    .map(
      ([name, value]) =>
        `${name}="${/[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value}"`,
    )
    .join(',')
}
