// What the webhook counts, and its lines for Prometheus, under Istio's names where Istio has one.
import type { InjectReason } from './decide.ts'

const BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

export class WebhookMetrics {
  #requests = 0
  #injected = 0
  #failed = 0
  readonly #skipped = new Map<InjectReason, number>()
  readonly #validated = { allowed: 0, warned: 0, denied: 0 }
  readonly #buckets = BUCKETS_SECONDS.map(() => 0)
  #count = 0
  #sumSeconds = 0

  request(): void {
    this.#requests++
  }

  injected(): void {
    this.#injected++
  }

  failed(): void {
    this.#failed++
  }

  skipped(reason: InjectReason): void {
    this.#skipped.set(reason, (this.#skipped.get(reason) ?? 0) + 1)
  }

  validated(result: 'allowed' | 'warned' | 'denied'): void {
    this.#validated[result]++
  }

  took(ms: number): void {
    const seconds = ms / 1000
    this.#count++
    this.#sumSeconds += seconds
    BUCKETS_SECONDS.forEach((limit, index) => {
      if (seconds <= limit) this.#buckets[index] = (this.#buckets[index] ?? 0) + 1
    })
  }

  format(): string {
    const skipped = [...this.#skipped].sort(([left], [right]) => (left < right ? -1 : 1))
    const total = skipped.reduce((sum, [, count]) => sum + count, 0)
    return [
      counter('sidecar_injection_requests_total', this.#requests),
      counter('sidecar_injection_success_total', this.#injected),
      counter('sidecar_injection_failure_total', this.#failed),
      counter('sidecar_injection_skip_total', total),
      '# TYPE lateen_injection_skipped_total counter\n',
      ...skipped.map(([reason, count]) => `lateen_injection_skipped_total{reason="${reason}"} ${count}\n`),
      '# TYPE lateen_validation_total counter\n',
      ...Object.entries(this.#validated).map(([result, count]) => `lateen_validation_total{result="${result}"} ${count}\n`),
      '# TYPE sidecar_injection_time_seconds histogram\n',
      ...BUCKETS_SECONDS.map((limit, index) => `sidecar_injection_time_seconds_bucket{le="${limit}"} ${this.#buckets[index]}\n`),
      `sidecar_injection_time_seconds_bucket{le="+Inf"} ${this.#count}\n`,
      `sidecar_injection_time_seconds_sum ${this.#sumSeconds}\nsidecar_injection_time_seconds_count ${this.#count}\n`,
    ].join('')
  }
}

function counter(name: string, value: number): string {
  return `# TYPE ${name} counter\n${name} ${value}\n`
}
